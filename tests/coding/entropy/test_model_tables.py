import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.coding.entropy.frequency_tables import TOTAL, gaussian_tables
from rdbound.coding.entropy.model_tables import channel_tables, key_of, make_tables
from rdbound.models import make_model
from rdbound.ops.distributions import Gaussian, Mixture
from tests.coding.entropy.test_frequency_tables import _bin
from tests.toy import Toy


def _expected(weights, offsets, sigmas, reach):
    """Of a mixture around its centre: TOTAL times the mass of each integer of −reach … reach."""
    r = np.arange(-reach, reach + 1)
    parts = zip(weights, offsets, sigmas, strict=True)
    return TOTAL * sum(w * _bin(r, sigma, offset) for w, offset, sigma in parts)


def _agrees(table, exact):
    """Floored, at least one, and the mode may have up to what all the others lost."""
    found = table.frequencies[:-1].astype(float)
    mode = table.frequencies.argmax()
    difference = np.delete(found - np.maximum(exact, 1.0), mode)
    assert len(found) == len(exact)
    assert difference.max() < 1e-3
    assert difference.min() > -1.001
    assert abs(found[mode] - exact[mode]) < len(found) + 1
    assert table.frequencies.sum() == TOTAL


def _same(one, other):
    pairs = zip(one, other, strict=True)
    return all(np.array_equal(a.frequencies, b.frequencies) for a, b in pairs)


def test_ladders_are_shared_and_channels_have_a_key_a_level():
    assert key_of("gaussian", 0, True) == key_of("gaussian", 3, True) == "gaussian"
    assert key_of("factorized", 0, False) == "factorized"
    assert key_of("factorized", 1, False) == "factorized-1"
    assert key_of("factorized", 12, False) == "factorized-12"


def test_the_toys_tables_are_its_mixture_a_channel_and_the_ladder_of_gaussians():
    tables = make_tables(Toy())
    assert set(tables) == {"gaussian", "factorized"}
    assert _same(tables["gaussian"], gaussian_tables())
    assert len(tables["factorized"]) == 4
    reach = int(np.ceil(5 * np.exp(3.0))) + 1
    exact = _expected((0.5, 0.5), (0.0, 0.0), np.exp([1.0, 3.0]), reach)
    for table in tables["factorized"]:
        assert table.reach == reach
        _agrees(table, exact)


def test_the_tables_of_a_mixture_stand_around_its_centre():
    """Weights, means and scales differ a channel; masses lean the way the means do."""
    weight = np.array([[0.2, 0.8], [0.5, 0.5]])
    mu = np.array([[2.25, 0.25], [-7.0, -6.5]])
    sigma = np.array([[1.5, 0.4], [0.11, 3.0]])
    centre = np.array([0.5, -7.0])
    args = (jnp.asarray(a, jnp.float32) for a in (np.log(weight), mu, np.log(sigma), centre))
    tables = channel_tables(Mixture(*args))
    # The furthest component ends at 1.75 + 5·1.5 = 9.25, and at 0.5 + 5·3 = 15.5.
    assert [table.reach for table in tables] == [11, 17]
    for c, table in enumerate(tables):
        exact = _expected(weight[c], mu[c] - centre[c], sigma[c], table.reach)
        # Parameters are float32, so that TOTAL · mass is off by a part in 10^6.
        found = table.frequencies[:-1]
        assert np.abs(found - exact).max() < len(found) + 3
        likely = exact > 2000
        np.testing.assert_allclose(found[likely], exact[likely], rtol=0.015)
    lean = tables[0].frequencies
    assert lean[11 + 3] > 50 * lean[11 - 3]


class Upper(Toy):
    """Densities a channel at both levels, unlike each other."""

    sigma = 0.7

    def prior(self, level, latents, lmbda):
        if level == 0:
            return super().prior(level, latents, lmbda)
        zeros = jnp.zeros((16, 1))
        return Mixture(zeros, zeros, zeros + jnp.log(self.sigma), jnp.zeros(16))


def test_an_upper_levels_tables_are_of_its_own_density():
    tables = make_tables(Upper())
    assert set(tables) == {"gaussian", "factorized", "factorized-1"}
    assert len(tables["factorized"]) == 4
    assert len(tables["factorized-1"]) == 16
    assert tables["factorized-1"][5].reach == int(np.ceil(3.5)) + 1
    _agrees(tables["factorized-1"][5], _expected((1.0,), (0.0,), (0.7,), 5))


class Scaled(Toy):
    """A codec whose first level has a Gaussian prior."""

    def prior(self, level, latents, lmbda):
        if level == 0:
            return Gaussian(jnp.zeros(self.width), jnp.zeros(self.width))
        return super().prior(level, latents, lmbda)


@pytest.mark.parametrize("width", [1, 4])
def test_a_codec_of_gaussians_alone_has_the_ladder_alone(width):
    model = Scaled()
    model.width = width
    assert list(make_tables(model)) == ["gaussian"]


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_a_model_of_vectors_has_a_table_a_latent(hidden):
    model = make_model("mlp", "codec", 1.0, dimension=5, latent=3, hidden=hidden)
    model.top.log_sigma[...] = jnp.log(jnp.array([0.5, 2.0, 8.0]))
    tables = make_tables(model)["factorized"]
    assert len(tables) == 3
    # Components at ±0.1·σ and exp(±0.7)·σ, a third each.
    for table, sigma in zip(tables, (0.5, 2.0, 8.0), strict=True):
        offsets, scales = 0.1 * sigma * np.array([-1, 0, 1]), sigma * np.exp([-0.7, 0, 0.7])
        exact = _expected((1 / 3,) * 3, offsets, scales, table.reach)
        likely = (exact > 2000) & (np.arange(len(exact)) != table.frequencies.argmax())
        np.testing.assert_allclose(table.frequencies[:-1][likely], exact[likely], rtol=1e-3)


def test_a_density_of_channels_that_hears_lambda_is_refused():
    """Its tables would be those of one end of the range, and its bytes not what rows say."""

    class Hearing(Toy):
        def prior(self, level, latents, lmbda):
            found = super().prior(level, latents, lmbda)
            return found if level else found._replace(log_sigma=found.log_sigma + jnp.log(lmbda))

    with pytest.raises(ValueError, match=r"level 0 .* depends on the levels before it, or on λ"):
        make_tables(Hearing())
