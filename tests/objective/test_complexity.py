import math

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from rdbound.cli.analysing import cost_of
from rdbound.cli.main import main
from rdbound.models import MODELS, make_model
from rdbound.models.layers import DepthwiseBlock, Down, FasterBlock, Up
from rdbound.objective.complexity import cost
from rdbound.ops.distributions import Gaussian
from tests.toy import Toy


class Around(nnx.Module):
    """One level; its encoder is a layer on the image, its decoder another on the latent."""

    stride, form, lmbda_range = 4, "bound", (1.0, 1.0)

    def __init__(self, encoder, decoder):
        self.encoder, self.decoder = encoder, decoder

    def infer(self, x, lmbda):
        h = self.encoder(x)
        return (Gaussian(h, h),)

    def prior(self, level, latents, lmbda):
        return Gaussian(jnp.zeros(1), jnp.zeros(1))

    def synthesize(self, latents, lmbda):
        return self.decoder(latents[0])


RNGS = nnx.Rngs(0)


@pytest.mark.parametrize(
    ("make", "channels", "parameters", "macs"),
    [
        (lambda: nnx.Linear(3, 7, rngs=RNGS), 7, 3 * 7 + 7, 3 * 7),
        # One product of 48 numbers with 48·5 weights for each 16 pixels.
        (lambda: Down(3, 5, 4, rngs=RNGS), 5, 48 * 5 + 5, 48 * 5 / 16),
        (lambda: nnx.Conv(3, 6, (5, 3), rngs=RNGS), 6, 15 * 3 * 6 + 6, 15 * 3 * 6),
        (lambda: nnx.Conv(3, 6, (4, 4), strides=(4, 4), rngs=RNGS), 6, 288 + 6, 288 / 16),
        (lambda: nnx.Conv(3, 6, (3, 3), feature_group_count=3, rngs=RNGS), 6, 9 * 6 + 6, 9 * 6),
    ],
)
def test_the_encoders_cost_is_that_of_its_layer(make, channels, parameters, macs):
    found = cost(Around(make(), lambda z: z[..., :3]))
    assert found.parameters == parameters
    assert found.encoder == macs
    assert found.decoder == 0


def _first(width):
    return lambda x: jnp.tile(x[::4, ::4, :1], (1, 1, width))


@pytest.mark.parametrize(
    ("make", "width", "parameters", "macs"),
    [
        # At stride 4, each of a pixel's sixteenth.
        (lambda: Up(8, 3, 4, rngs=RNGS), 8, 8 * 48 + 48, 8 * 48 / 16),
        (
            lambda: FasterBlock(8, rngs=RNGS),
            8,
            (36 + 2) + (128 + 16) + (128 + 8),
            (9 * 2 * 2 + 8 * 16 + 16 * 8) / 16,
        ),
        # Depth-wise products are not counted, their weights are.
        (
            lambda: DepthwiseBlock(4, 6, rngs=RNGS),
            4,
            20 + 36 + 30 + 30 + (144 + 24) + (72 + 6),
            (16 + 24 + 24 + 144 + 72) / 16,
        ),
    ],
)
def test_the_decoders_cost_is_that_of_its_layer(make, width, parameters, macs):
    assert cost(Around(_first(width), make())) == (parameters, 0, macs)


class Chain(nnx.Module):
    """Six sides and three levels of different widths, with a layer in every side of the decoder."""

    stride, form, lmbda_range = 4, "bound", (1.0, 1.0)
    widths = (2, 3, 5)

    def __init__(self):
        linear = lambda a, b: nnx.Linear(a, b, use_bias=False, rngs=RNGS)  # noqa: E731
        self.first = nnx.Param(jnp.ones((7,)))
        self.encoder = linear(3, 10)
        self.heads = nnx.List([linear(7, w) for w in self.widths])
        self.takes = nnx.List([linear(w, 7) for w in self.widths])
        self.wants = nnx.List([linear(7, w) for w in self.widths])
        self.last = linear(7, 48)

    def infer(self, x, lmbda):
        return tuple(jnp.split(self.encoder(x[::4, ::4]), (2, 5), axis=-1))

    def start(self, lmbda):
        return jnp.ones((64, 64, 1)) * self.first[...]

    def prior(self, level, state):
        h = self.heads[level](state)
        return Gaussian(h, h)

    def posterior(self, level, state, variational):
        return Gaussian(variational + self.wants[level](state), variational)

    def absorb(self, level, state, latent):
        return state + self.takes[level](latent)

    def synthesize(self, state):
        return self.last(state).reshape(256, 256, 3)


def test_a_six_sided_decoder_counts_each_levels_prior_and_absorption_once():
    """Sixteenths of a pixel; posteriors are not the decoder's to pay, nor counted for `infer`."""
    levels = 7 * (2 + 3 + 5)
    found = cost(Chain())
    assert found.decoder == (2 * levels + 7 * 48) / 16
    assert found.encoder == 3 * 10 / 16
    assert found.parameters == 7 + 30 + 3 * levels + 7 * 48


def test_a_three_sided_decoder_counts_its_priors_and_its_synthesis():
    expected = (
        192 * 16 + 16 + 16 * 4 + 4 + 4 * 32 + 32 + 16 * 192 + 192,
        (192 * 16 + 16 * 4) / 64,
        (4 * 32 + 16 * 192) / 64,
    )
    assert cost(Toy(form="bound")) == expected
    assert cost(nnx.eval_shape(lambda: Toy(form="bound"))) == expected, "abstract or not"


def test_what_a_res_context_adds_to_the_res_hyper_of_its_size():
    """The context's layers at stride 16: common features once, the networks in steps 1 to 3."""
    hyper, context = (
        nnx.eval_shape(lambda name=name: make_model(name, "bound", 0.01))
        for name in ("res-hyper-1", "res-context-1")
    )
    m, n = 96, 64
    wide, narrow = 3 * n, 2 * n

    def block(a, b):
        return a * a + a * b + (a * b if a != b else 0) + 4 * b * b + 2 * b * b

    step = (m + wide) * wide + block(wide, wide) + block(wide, narrow) + block(narrow, narrow)
    added = n * wide + 3 * (step + narrow * 2 * m)
    one, other = cost(hyper), cost(context)
    assert other.decoder - one.decoder == pytest.approx(added / 256, rel=1e-9)
    assert other.encoder == one.encoder
    weights = jax.tree.leaves(nnx.state(context, nnx.Param))
    assert other.parameters == sum(math.prod(leaf.shape) for leaf in weights)


@pytest.mark.parametrize("name", ["bmshj2018-factorized", "resnet-vae-lossless"])
def test_a_model_that_serves_one_lmbda_has_a_cost_too(name):
    made = make_model(name, "bound", 1.0)
    weights = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(made)))
    found = cost_of(name)
    assert found.parameters == weights
    assert found.encoder > 1000 < found.decoder


@pytest.mark.slow
def test_every_named_model_of_images_has_a_cost(capsys):
    names = [name for name in MODELS if name != "mlp"]
    assert main(["cost", *names]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert listed == names
