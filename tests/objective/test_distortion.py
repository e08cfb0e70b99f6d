import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.objective.datum import Datum, image_datum, whole
from rdbound.objective.distortion import DISTORTIONS, MSSSIM, SquaredError, make_distortion
from rdbound.ops.discretized_logistic import PixelDistribution
from rdbound.ops.image_quality import masked_ms_ssim, ms_ssim


def absolute(datum, x_hat):
    """A distortion of one's own."""
    return jnp.mean(jnp.abs(datum.x - x_hat))


def _pair(rng, height, width, noise=0.1):
    low = rng.random((height // 8 + 1, width // 8 + 1, 3))
    smooth = np.kron(low, np.ones((8, 8, 1)))[:height, :width]
    x = (255 * smooth).astype(np.uint8)
    return x, np.clip(smooth + noise * rng.standard_normal(smooth.shape), 0, 1).astype(np.float32)


def test_squared_error_is_mse_on_the_scale_of_its_peak(rng):
    x, y = rng.random((4, 6, 3)), rng.random((4, 6, 3))
    datum = whole(jnp.asarray(x, jnp.float32))
    mse = np.mean((x - y) ** 2)
    assert float(SquaredError()(datum, y)) == pytest.approx(255**2 * mse, rel=1e-5)
    assert float(SquaredError(peak=1.0)(datum, y)) == pytest.approx(mse, rel=1e-5)
    vector = whole(jnp.asarray(x[0, :, 0], jnp.float32))
    expected = np.mean((x[0, :, 0] - y[0, :, 0]) ** 2)
    assert float(SquaredError()(vector, y[0, :, 0])) == pytest.approx(expected, rel=1e-5)


_OF_IMAGES = [name for name in DISTORTIONS if name != "negative-log-likelihood"]


@pytest.mark.parametrize("name", _OF_IMAGES)
def test_a_distortion_is_zero_of_equals_and_blind_to_the_padding(name, rng):
    x, y = _pair(rng, 170, 180)
    datum = image_datum(x, 64)
    distortion = jax.jit(make_distortion(name))
    assert float(distortion(datum, datum.x)) == pytest.approx(0.0, abs=1e-5)
    padded = jnp.pad(jnp.asarray(y), ((0, 22), (0, 12), (0, 0)), mode="edge")
    value = float(distortion(datum, padded))
    other = float(distortion(datum, padded.at[170:].set(0.3).at[:, 180:].set(0.9)))
    assert value > 1e-3
    # Of squared error exactly; of MS-SSIM, whose windows shrink with the image, nearly.
    assert other == pytest.approx(value, rel=1e-6 if name == "squared-error" else 0.02)


def test_the_likelihood_is_counted_a_pixel_and_not_in_the_padding(rng):
    x, _ = _pair(rng, 20, 12)
    datum, shape = image_datum(x, 16), (32, 16, 3)
    mu = jnp.asarray(rng.uniform(0, 255, shape), jnp.float32)
    said = PixelDistribution(mu, jnp.full(shape, 2.0), jnp.zeros(shape))
    scale = np.exp(2.0)
    above, below = ((x - np.asarray(mu)[:20, :12] + h) / scale for h in (0.5, -0.5))
    mass = np.where(x == 255, 1, 1 / (1 + np.exp(-above)))
    mass = mass - np.where(x == 0, 0, 1 / (1 + np.exp(-below)))
    likelihood = make_distortion("negative-log-likelihood")
    expected = -np.log2(mass).sum() / 240
    assert float(likelihood(datum, said)) == pytest.approx(expected, rel=1e-3)
    other = said._replace(mu=mu.at[20:].set(999.0))
    assert float(likelihood(datum, other)) == pytest.approx(expected, rel=1e-3)
    with pytest.raises(ValueError, match="models that say a distribution of pixels"):
        likelihood(datum, datum.x)


@pytest.mark.parametrize(("height", "width"), [(161, 161), (165, 171), (192, 176), (175, 193)])
def test_ms_ssim_is_that_of_the_table_whatever_the_padding_holds(rng, height, width):
    x, y = _pair(rng, height, width)
    exact = 1.0 - float(ms_ssim(jnp.asarray(x, jnp.float32) / 255, y))
    assert exact > 0.005
    datum = image_datum(x, 64)
    extra = [(0, a - b) for a, b in zip(datum.x.shape, y.shape, strict=True)]
    padded = jnp.pad(jnp.asarray(y), extra, constant_values=7.0)
    found = jax.jit(MSSSIM())
    assert float(found(datum, padded)) == pytest.approx(exact, abs=1e-5)
    same = jnp.where(datum.mask > 0, datum.x, jnp.asarray(rng.uniform(size=datum.x.shape)))
    assert float(found(datum, same)) == pytest.approx(0.0, abs=1e-6)


def test_the_gradient_of_ms_ssim_is_finite_even_where_structure_is_opposed(rng):
    x, _ = _pair(rng, 176, 176)
    datum = image_datum(x, 16)
    gradient = jax.jit(jax.grad(lambda y: MSSSIM()(datum, y)))(1.0 - datum.x)
    assert jnp.isfinite(gradient).all()


def test_ms_ssim_refuses_vectors_and_small_images():
    with pytest.raises(ValueError, match="not of vectors"):
        MSSSIM()(whole(jnp.zeros(4)), jnp.zeros(4))
    with pytest.raises(ValueError, match="at least 161 pixels"):
        MSSSIM()(whole(jnp.zeros((160, 300, 3))), jnp.zeros((160, 300, 3)))
    with pytest.raises(ValueError, match="at least 161 pixels"):
        masked_ms_ssim(jnp.zeros((20, 20, 3)), jnp.zeros((20, 20, 3)), jnp.ones((20, 20, 1)))


def test_a_distortion_of_ones_own_is_a_function_by_name():
    own = make_distortion("tests.objective.test_distortion:absolute")
    assert float(own(Datum(jnp.zeros(2), jnp.ones(2)), jnp.array([1.0, 3.0]))) == 2.0
    with pytest.raises(ValueError, match="unknown distortion 'ssim': choose one of squared-error"):
        make_distortion("ssim")
    with pytest.raises(ValueError, match="cannot be imported"):
        make_distortion("nowhere:f")
    with pytest.raises(ValueError, match=r"is a function and takes no options"):
        make_distortion("tests.objective.test_distortion:absolute", peak=1.0)
    assert make_distortion("rdbound.objective.distortion:SquaredError", peak=2.0) == SquaredError(
        2.0
    )
    with pytest.raises(ValueError, match=r"distortion 'squared-error'.*name"):
        make_distortion("squared-error", name=1.0)
    with pytest.raises(ValueError, match=r"distortion 'squared-error'.*peek"):
        make_distortion("squared-error", peek=1.0)
