import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rdbound.channels import make_channel
from rdbound.checkpoints.model_check import Candidate, check_model, check_shapes
from rdbound.models import make_model
from rdbound.objective.distortion import SquaredError
from tests.toy import SPEC, Toy


def _candidate(model, name="tests.toy:Toy", channel="mixed", shape=(16, 16, 3)):
    spec = SPEC | {"name": name, "form": model.form}
    return Candidate(model, spec, make_channel(channel), SquaredError(), shape)


@pytest.fixture
def lines(caplog):
    """The lines that a check logs."""
    caplog.set_level("INFO", "rdbound")

    def run(check, candidate):
        caplog.clear()
        check(candidate)
        return [record.getMessage() for record in caplog.records if record.name == "rdbound"]

    return run


def test_a_sound_codec_passes_every_check(lines):
    logged = lines(check_model, _candidate(Toy()))
    assert [line.partition(":")[0] for line in logged] == [
        "weights",
        "shapes",
        "tables",
        *[
            "J of noise at λ = 0.001",
            "J of zeros at λ = 0.001",
            "J of noise at λ = 0.01",
            "J of zeros at λ = 0.01",
            "J of noise at λ = 0.1",
            "J of zeros at λ = 0.1",
        ],
        "saves and loads",
        "bytes",
    ]
    assert logged[0] == "weights: 8 of 6,580 numbers, all nnx.Param, finite"
    assert "data [16, 16, 3] have latents [2, 2, 4], [2, 2, 16], and J" in logged[1]


def test_what_needs_no_compilation_is_checked_alone(lines):
    logged = lines(check_shapes, _candidate(Toy()))
    assert [line.partition(":")[0] for line in logged] == ["weights", "shapes", "tables"]


def test_a_sound_model_of_vectors_passes_every_check(lines):
    spec = {"name": "mlp", "lmbda": 2.0, "dimension": 3, "hidden": []}
    for form, channel in (("bound", "gaussian"), ("codec", "mixed")):
        model = make_model(form=form, **spec)
        candidate = Candidate(
            model, spec | {"form": form}, make_channel(channel), SquaredError(), (3,)
        )
        assert len(lines(check_model, candidate)) == (7 if form == "codec" else 5)


class Stored(Toy):
    """With random keys and running statistics of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.noise, self.norm = nnx.Rngs(0), nnx.BatchNorm(4, rngs=nnx.Rngs(0))


class Constant(Toy):
    def __init__(self, **options):
        super().__init__(**options)
        self.scale = jnp.ones(3)


class Wrong(Toy):
    def infer(self, x, lmbda):
        return len(5)


class Lost(Toy):
    def prior(self, level, latents, lmbda):
        return {0: super().prior(0, latents, lmbda)}[level]


class Flat(Toy):
    def synthesize(self, latents, lmbda):
        return super().synthesize(latents, lmbda).ravel()


class Rated(Toy):
    """A density of z that depends on λ: no fixed table can code it."""

    def prior(self, level, latents, lmbda):
        found = super().prior(level, latents, lmbda)
        return found if level else found._replace(centre=found.centre + lmbda)


class Other(Toy):
    def __init__(self, form="codec", **options):
        super().__init__(form="bound", **options)


class Fixed(Toy):
    def __init__(self, lmbda_range=(0.001, 0.1), **options):
        super().__init__(lmbda_range=(0.01, 0.01), **options)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Fixed, r"its lmbda_range is \(0\.01, 0\.01\), not \[0\.001, 0\.1\]"),
        (Stored, r"holds noise\.default\.count, noise\.default\.key, norm\.mean, norm\.var beside"),
        (Constant, r"holds scale beside nnx\.Param"),
        (
            Wrong,
            r"its infer of \[16, 16, 3\] raised TypeError: object of type 'int' has no len\(\) "
            r"\(test_model_check\.py, line \d+\)",
        ),
        (Lost, r"its prior of level 1 raised KeyError: 1 \(test_model_check\.py, line \d+\)"),
        (Flat, r"its synthesize returns \[768\] for data \[16, 16, 3\]"),
        (Rated, r"level 0 of the model has a density of channels that depends on .* λ"),
        (Other, r"its form is 'bound', though 'codec' was asked for"),
    ],
)
def test_what_would_fail_in_training_or_after_it_is_told_before(model, message):
    name = f"tests.checkpoints.test_model_check:{model.__name__}"
    candidate = _candidate(model(), name)
    if model is Other:
        candidate.spec["form"] = "codec"
    with pytest.raises(ValueError, match=f"^model '{name}': .*{message}") as error:
        check_shapes(candidate)
    assert "\n" not in str(error.value)


def test_data_that_the_model_cannot_take_are_told_with_their_shape():
    spec = {"name": "mlp", "form": "bound", "lmbda": 1.0, "dimension": 7}
    candidate = Candidate(make_model(**spec), spec, make_channel("gaussian"), SquaredError(), (5,))
    with pytest.raises(
        ValueError, match=r"its infer of \[5\] raised TypeError: dot_general .*\(5,\) and \(7,\)"
    ):
        check_shapes(candidate)


class Rooted(Toy):
    """A norm has no gradient at 0, which is where a datum of zeros puts this one."""

    def infer(self, x, lmbda):
        z, y = super().infer(x, lmbda)
        return z, y._replace(mu=y.mu + jnp.linalg.norm(x.sum() * self.encode.kernel[...]))


class Steep(Toy):
    """No weight reaches the scale of the variational parameters; refinement does, and finds no
    slope there."""

    def posterior(self, level, latents, variational, lmbda):
        return variational._replace(
            mu=variational.mu + jnp.sqrt(jnp.abs(variational.log_sigma + 1.5))
        )


class Endless(Toy):
    def prior(self, level, latents, lmbda):
        found = super().prior(level, latents, lmbda)
        return found._replace(mu=found.mu + jnp.nan) if level else found


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Rooted, r"gradient by the weight encode\.kernel is not finite at λ = 0\.001 for .* zeros"),
        (Steep, r"gradient by the variational parameters of level 0 is not finite"),
        (Endless, r"the rate of level 1 is not finite at λ = 0\.001 for a datum of noise"),
    ],
)
def test_rates_and_gradients_must_be_finite(model, message):
    with pytest.raises(ValueError, match=message):
        check_model(_candidate(model(), f"tests.checkpoints.test_model_check:{model.__name__}"))


class Hidden(Toy):
    """Depends on a number that is neither a weight nor an option that the file keeps."""

    count = 0

    def __init__(self, **options):
        super().__init__(**options)
        Hidden.count += 1
        self.shift = 0.1 * Hidden.count

    def synthesize(self, latents, lmbda):
        return super().synthesize(latents, lmbda) + self.shift


def test_a_model_that_is_another_once_it_is_loaded_is_told():
    with pytest.raises(ValueError, match="neither a weight nor an option of its constructor"):
        check_model(_candidate(Hidden(), "tests.checkpoints.test_model_check:Hidden"))


def test_the_weights_of_a_model_must_be_finite():
    model = Toy()
    model.predict.bias[...] = model.predict.bias[...].at[0].set(np.nan)
    with pytest.raises(ValueError, match=r"weight predict\.bias is not finite"):
        check_shapes(_candidate(model))
