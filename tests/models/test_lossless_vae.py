import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.channels import make_channel
from rdbound.coding import Codec
from rdbound.models import make_model
from rdbound.models.hierarchy import LevelGroup
from rdbound.models.lossless_vae import LOSSLESS, LosslessVAE
from rdbound.objective.datum import whole
from rdbound.objective.distortion import make_distortion
from rdbound.objective.objective import objective
from rdbound.ops.discretized_logistic import PixelDistribution
from rdbound.optimization.training import TrainingProblem, fit
from rdbound.optimization.training_options import TrainingOptions
from tests.coding.codecs.test_lossless import _image

TINY = (LevelGroup(24, 1, 8, 0, 0), LevelGroup(16, 2, 12, 1, 0))


@pytest.fixture
def tiny(monkeypatch):
    """A model of three levels at strides 4 and 2."""
    monkeypatch.setitem(LOSSLESS, "tiny", TINY)
    return LosslessVAE("tiny")


@pytest.mark.slow
def test_untrained_it_is_a_pyramid_that_says_the_picture(rng):
    """Each stride tells what those above left: means without noise are the pixels."""
    model, image = make_model("resnet-vae-lossless", "bound", 1.0), _image(rng, 32, 48)
    assert model.strides == (16, 8, 4, 2)

    @jax.jit
    def said(image):
        state, told = model.start(1.0), []
        for level, known in enumerate(model.infer(image, 1.0)):
            mean = model.posterior(level, state, known).mu
            told.append(mean)
            state = model.absorb(level, state, mean)
        return model.synthesize(state), told

    found, told = said(jnp.asarray(image / 255.0, jnp.float32))
    assert isinstance(found, PixelDistribution)
    np.testing.assert_allclose(found.mu, image, atol=0.2)
    np.testing.assert_allclose(found.log_scale, 0.5)
    np.testing.assert_array_equal(found.lean, 0.0)
    shapes = [(2, 3, 32), (4, 6, 32), (8, 12, 16), (8, 12, 16), (16, 24, 12), (16, 24, 12)]
    assert [t.shape for t in told] == shapes
    # The second level of a stride has nothing to say yet.
    assert jnp.abs(told[5]).mean() < 0.05 * jnp.abs(told[4]).mean()


class _Noise:
    """Batches of pixels that are independent logistics around 128."""

    scale = 6.0

    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)

    def draw(self, count):
        levels = self._rng.logistic(128.0, self.scale, (count, 16, 16, 3))
        return np.clip(np.rint(levels), 0, 255).astype(np.uint8)

    def __iter__(self):
        return self

    def __next__(self):
        return self.draw(16)

    def get_state(self):
        return {}

    def set_state(self, state):
        pass


@pytest.mark.slow
def test_trained_it_comes_near_the_entropy_of_noise_and_never_below(tiny, tmp_path):
    """Entropy of a rounded logistic: log₂ of its scale, and 2 nats, to 0.001 at this scale."""
    entropy = 3 * (np.log2(_Noise.scale) + 2 / np.log(2))
    channel, likelihood = make_channel("gaussian"), make_distortion("negative-log-likelihood")
    options = TrainingOptions(
        steps=150,
        batch=16,
        learning_rate=1e-2,
        warmup=10,
        hold=0.2,
        final=0.02,
        ema=0.95,
        checkpoint_every=150,
    )
    model = fit(TrainingProblem(tiny, channel, _Noise(0), likelihood), options, tmp_path)
    images = _Noise(1).draw(48)

    @jax.jit
    def J(model, image, key):
        return objective(model, channel, whole(image), key, 1.0, distortion=likelihood).J

    keys = jax.random.split(jax.random.key(1), len(images))
    values = np.array(
        [
            float(J(model, jnp.asarray(x / 255.0, jnp.float32), k))
            for x, k in zip(images, keys, strict=True)
        ]
    )
    error = values.std() / len(values) ** 0.5
    assert entropy - 4 * error < values.mean() < 1.03 * entropy
    image = images[0]
    codec = Codec(model)
    np.testing.assert_array_equal(codec.decode(codec.encode(image).data).datum, image)


@pytest.mark.parametrize("size", [(1, 1), (65, 129)])
def test_its_images_return_in_frames(tiny, size, rng):
    codec, image = Codec(tiny), _image(rng, *size)
    encoded = codec.encode(image, side=b"abc")
    decoded, side = codec.decode(encoded.data)
    np.testing.assert_array_equal(decoded, image)
    assert side == b"abc"


def test_what_it_cannot_be_is_refused():
    with pytest.raises(ValueError, match="the lossless model is a bound"):
        make_model("resnet-vae-lossless", "codec", 1.0)
    with pytest.raises(ValueError, match="unknown size 'huge': choose one of lossless"):
        LosslessVAE("huge")
