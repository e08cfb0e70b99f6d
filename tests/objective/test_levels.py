import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rdbound.models import make_model
from rdbound.models.base import Flat, FlatState, check_lmbda, level_model
from rdbound.objective.levels import latent_shapes, walk
from rdbound.ops.distributions import Gaussian
from tests.toy import Successive, Toy


class Recorder:
    """Six sides that write down who was asked what; the state is the list of latents."""

    def __init__(self):
        self.calls = []

    def start(self, lmbda):
        self.calls.append(("start", lmbda))
        return ()

    def prior(self, level, state):
        self.calls.append(("prior", level, state))
        return f"prior {level}"

    def absorb(self, level, state, latent):
        self.calls.append(("absorb", level, state, latent))
        return (*state, latent)

    def __getattr__(self, name):
        raise AssertionError(f"{name} is not the walk's to ask for")


def test_a_walk_asks_in_the_decoders_order_and_for_nothing_else():
    model = Recorder()

    def step(level, prior, state):
        model.calls.append(("step", level, prior, state))
        return f"z{level}", 10 * level

    walked = walk(model, 0.5, 3, step)
    assert model.calls == [
        ("start", 0.5),
        ("prior", 0, ()),
        ("step", 0, "prior 0", ()),
        ("absorb", 0, (), "z0"),
        ("prior", 1, ("z0",)),
        ("step", 1, "prior 1", ("z0",)),
        ("absorb", 1, ("z0",), "z1"),
        ("prior", 2, ("z0", "z1")),
        ("step", 2, "prior 2", ("z0", "z1")),
        ("absorb", 2, ("z0", "z1"), "z2"),
    ]
    assert walked.state == ("z0", "z1", "z2")
    assert walked.kept == (0, 10, 20)


def test_no_levels_leave_the_first_state():
    walked = walk(Recorder(), 0.5, 0, lambda *_: pytest.fail("nothing is to be conveyed"))
    assert walked == ((), ())


class ThreeSides:
    """A flat model of three levels, each prior centred on the sum of what came before."""

    def __init__(self):
        self.asked = []

    def infer(self, x, lmbda):
        return tuple(Gaussian(x * (1 + k), jnp.zeros_like(x)) for k in range(3))

    def prior(self, level, latents, lmbda):
        self.asked.append((level, tuple(float(z[0]) for z in latents), float(lmbda)))
        return Gaussian(sum(latents, jnp.zeros(1)), jnp.zeros(1))

    def synthesize(self, latents, lmbda):
        return lmbda * (100.0 * latents[0] + 10.0 * latents[1] + latents[2])


class Residual(ThreeSides):
    """What it wants to convey is what is not yet known."""

    def posterior(self, level, latents, variational, lmbda):
        return Gaussian(variational.mu - lmbda * sum(latents, jnp.zeros(1)), variational.log_sigma)


def _run(model, x, lmbda=0.5):
    """Conveys every posterior's mean; the latents, the priors' means, the reconstruction."""
    of = level_model(model)
    variational = of.infer(jnp.array([x]), lmbda)

    def step(level, prior, state):
        mean = of.posterior(level, state, variational[level]).mu
        return mean, (float(mean[0]), float(prior.mu[0]))

    walked = walk(of, lmbda, 3, step)
    latents, priors = zip(*walked.kept, strict=True)
    return latents, priors, float(of.synthesize(walked.state)[0])


def test_a_flat_models_prior_sees_exactly_the_latents_before_it():
    model = ThreeSides()
    latents, priors, x_hat = _run(model, 2.0)
    assert latents == (2.0, 4.0, 6.0)
    assert priors == (0.0, 2.0, 6.0)
    assert model.asked == [(0, (), 0.5), (1, (2.0,), 0.5), (2, (2.0, 4.0), 0.5)]
    assert x_hat == 0.5 * (200.0 + 40.0 + 6.0)


def test_a_flat_models_own_posterior_is_asked_with_what_was_conveyed():
    # 2, then 4 − ½·2 = 3, then 6 − ½·(2 + 3) = 3.5
    latents, priors, x_hat = _run(Residual(), 2.0)
    assert latents == (2.0, 3.0, 3.5)
    assert priors == (0.0, 2.0, 5.0)
    assert x_hat == 0.5 * (200.0 + 30.0 + 3.5)


def test_the_state_of_a_flat_model_is_lambda_and_its_latents():
    of = Flat(ThreeSides())
    state = of.start(0.25)
    assert state == FlatState(jnp.float32(0.25), ())
    assert state.lmbda.dtype == jnp.float32
    one = of.absorb(0, state, "a")
    assert of.absorb(1, one, "b").latents == ("a", "b")
    assert (one.latents, state.latents) == (("a",), ()), "states are values"


def test_six_sided_models_are_their_own_sides_and_others_are_flat():
    six, three = Successive(), Toy()
    assert level_model(six) is six
    assert isinstance(level_model(three), Flat)
    assert level_model(three).model is three
    flat = Flat(three)
    assert level_model(flat) is flat


def test_latent_shapes_are_those_of_what_is_inferred():
    assert latent_shapes(Toy(), (16, 40, 3)) == ((2, 5, 4), (2, 5, 16))
    assert latent_shapes(Successive(), (1,)) == ((1,), (1,))
    mlp = make_model("mlp", "bound", 1.0, dimension=6, latent=4, hidden=[])
    assert latent_shapes(mlp, (6,)) == ((4,),)


def test_latent_shapes_of_an_abstract_res_context():
    model = nnx.eval_shape(lambda: make_model("res-context-1", "codec", (0.0009, 0.0966)))
    step = (8, 12, 24)
    assert latent_shapes(model, (128, 192, 3)) == ((2, 3, 64), step, step, step, step)


def test_successive_refinement_walks_to_its_datum():
    """Level l conveys its share of what is left: closed form of the state after both."""
    model, x = Successive(variance=4.0, first=1.0, lmbda=2.0), jnp.array([3.0])
    variational = model.infer(x, 2.0)

    def step(level, prior, state):
        q = model.posterior(level, state, variational[level])
        return q.mu, (float(q.mu[0]), float(np.exp(2 * prior.log_sigma[0])))

    walked = walk(model, 2.0, 2, step)
    last = 1 / (4 * np.log(2))  # the water level 1/(2·ln 2·λ)
    means, variances = zip(*walked.kept, strict=True)
    np.testing.assert_allclose(means, (0.75 * 3.0, (1 - last) * 0.25 * 3.0), rtol=1e-6)
    np.testing.assert_allclose(variances, (3.0, 1.0 - last), rtol=1e-6)
    np.testing.assert_allclose(walked.state, [3.0 * (0.75 + 0.25 * (1 - last))], rtol=1e-6)


@pytest.mark.parametrize(
    ("lmbda", "inside"),
    [
        (0.1, True),
        (0.2, True),
        (0.15, True),
        (0.09995, True),
        (0.2001, True),
        (0.0998, False),
        (0.2003, False),
        (float("nan"), False),
    ],
)
def test_lambda_is_checked_to_the_three_digits_that_ranges_are_quoted_to(lmbda, inside):
    if inside:
        assert check_lmbda(lmbda, (0.1, 0.2)) == lmbda
    else:
        with pytest.raises(ValueError, match=r"outside the model's range, 0\.1 to 0\.2"):
            check_lmbda(lmbda, (0.1, 0.2))
