"""What a latent model must do before it is worth training, tried in the order in which it fails.

    candidate = Candidate(model, spec, make_channel("mixed"), SquaredError(), (64, 64, 3))
    check_model(candidate, print)

The first check that fails raises ValueError, which says what is wrong and, where a side of
the model raised, in which line of its file. Training asks the same before its first step, as
far as that takes no compilation (``compiled=False``).
"""

import inspect
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.channels import Channel
from rdbound.checkpoints.checkpoint import Checkpoint, load, save_checkpoint
from rdbound.checkpoints.weight_storage import check_weights
from rdbound.coding import Codec
from rdbound.coding.codecs.fingerprint import flat_weights
from rdbound.models.base import LatentModel, dotted, level_model
from rdbound.objective.datum import Datum, whole
from rdbound.objective.distortion import Distortion
from rdbound.objective.levels import walk
from rdbound.objective.objective import Terms, objective
from rdbound.optimization.training import batch_loss

__all__ = ["Candidate", "check_model", "raised"]


@dataclass(frozen=True)
class Candidate:
    """A model as it is to be trained.

    Attributes:
      model: with its initial weights.
      spec: see :class:`rdbound.checkpoints.checkpoint.Checkpoint`.
      channel: that it is trained through.
      distortion: that λ multiplies.
      shape: of a datum, [H, W, 3] in multiples of the stride, or [n].
    """

    model: LatentModel
    spec: dict[str, Any]
    channel: Channel
    distortion: Distortion
    shape: tuple[int, ...]


def check_model(of: Candidate, say: Callable[[str], None], compiled: bool = True) -> None:
    """Try what the model must do; ``say`` is told each check that it passes.

    Raises ValueError, beginning with the model's name, at the first that it does not.
    """
    try:
        for line in _structure(of):
            say(line)
        for line in _numbers(of) if compiled else ():
            say(line)
    except ValueError as error:
        raise ValueError(f"model {of.spec['name']!r}: {error}") from error


def _structure(of: Candidate) -> Iterator[str]:
    """State, sides, gradients as far as shapes tell, saving and loading."""
    yield _state(of)
    yield _sides(of)
    yield _trains(of)
    yield f"saves and loads: {len(flat_weights(_reloaded(of).model))} weights come back the same"


def _numbers(of: Candidate) -> Iterator[str]:
    """J and its gradients at three λ, padding, J of the loaded model, and bytes."""
    low, high = of.model.lmbda_range
    graded = jax.jit(partial(_graded, of))
    for lmbda in (low, (low * high) ** 0.5, high) if low < high else (low,):
        for name, x in _data(of.shape).items():
            yield _finite(graded(nnx.split(of.model)[1], whole(x), lmbda), name, lmbda)
    J = jax.jit(partial(_terms, of), static_argnums=0)
    if len(of.shape) == 3:
        yield _padding(of, J)
    loaded = _reloaded(of)
    yield _same_J(of, loaded, J)
    if of.model.form == "codec":
        yield _round_trip(of, loaded)


def raised(what: str, error: Exception, file: str | None) -> ValueError:
    """An exception out of a model's code as one line: what raised it, and where.

    Args:
      what: was asked of the model.
      error: the exception.
      file: of the model's code, looked for among the places that it passed.
    """
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    where = f" ({Path(str(file)).name}, line {lines[-1]})" if lines else ""
    reason = (str(error).splitlines() or [""])[0]
    return ValueError(f"{what} raised {type(error).__name__}: {reason}{where}")


def _state(of: Candidate) -> str:
    """What it was asked to be, with finite floats for its weights and nothing beside them."""
    if not isinstance(of.model, nnx.Module):
        raise ValueError("it is no nnx.Module, which is what holds weights")
    if of.model.form != of.spec["form"]:
        raise ValueError(f"its form is {of.model.form!r}, though {of.spec['form']!r} was asked for")
    if not np.allclose(of.model.lmbda_range, of.spec["lmbda"], rtol=1e-6):
        raise ValueError(f"its lmbda_range is {of.model.lmbda_range}, not {of.spec['lmbda']}")
    weights = flat_weights(of.model)
    check_weights(weights)
    count = sum(value.size for value in weights.values())
    return f"state: {len(weights)} weights of {count:,} numbers, all nnx.Param, finite"


class _Told:
    """The sides of a model; an exception in one of them says which and where."""

    def __init__(self, model: Any):
        self._sides, self._file = level_model(model), inspect.getsourcefile(type(model))

    def __getattr__(self, side: str) -> Any:
        def call(*arguments):
            try:
                return getattr(self._sides, side)(*arguments)
            except Exception as error:
                what = f"its {side}{_shapes(arguments)}"
                raise raised(what, error, self._file) from error

        return call


def _shapes(arguments: tuple) -> str:
    """What a side was given: levels as numbers, one array by its shape."""
    told = [str(list(np.shape(a))) if hasattr(a, "shape") and np.ndim(a) else "" for a in arguments]
    levels = [f"level {a}" for a in arguments if isinstance(a, int)]
    found = ", ".join(filter(None, (*levels, *told)))
    return f" of {found}" if found else ""


def _sides(of: Candidate) -> str:
    """Every side answers one datum, and the reconstruction has its shape."""
    graphdef, state = nnx.split(of.model)

    def ask(state, x, key, lmbda):
        told = _Told(nnx.merge(graphdef, state))
        variational = told.infer(x, lmbda)

        def step(level, prior, state):
            posterior = told.posterior(level, state, variational[level])
            sample, bits = of.channel.at_level(level)(posterior, prior, key)
            return sample, (sample, bits)

        state, conveyed = walk(told, lmbda, len(variational), step)
        return conveyed, told.synthesize(state)

    x, lmbda = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (of.shape, ()))
    conveyed, x_hat = jax.eval_shape(ask, state, x, jax.random.key(0), lmbda)
    shapes = {leaf.shape for leaf in jax.tree.leaves(x_hat)}
    if shapes != {of.shape}:
        found = ", ".join(str(list(shape)) for shape in sorted(shapes))
        raise ValueError(f"its synthesize answers {found} to data {list(of.shape)}")
    levels = ", ".join(str(list(sample.shape)) for sample, _ in conveyed)
    return f"sides: all answer data {list(of.shape)}, with latents {levels or 'of no level'}"


def _trains(of: Candidate) -> str:
    """A batch of two has a loss, with a gradient for every weight, by its shapes."""
    graphdef, state = nnx.split(of.model)

    def loss(state, batch, key):
        model = nnx.merge(graphdef, state)
        return batch_loss(model, of.channel, batch, key, 0.0, of.distortion)[0]

    batch = jax.ShapeDtypeStruct((2, *of.shape), jnp.float32)
    try:
        jax.eval_shape(jax.grad(loss), state, batch, jax.random.key(0))
    except ValueError:
        raise
    except Exception as error:
        file = inspect.getsourcefile(type(of.model))
        raise raised("the loss of a batch", error, file) from error
    return "training: the loss of a batch can be differentiated"


def _reloaded(of: Candidate) -> Checkpoint:
    """The model, written to a file and read again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        loaded = load(save_checkpoint(path, of.model, of.spec), outside=[of.spec["name"]])
    found = flat_weights(loaded.model)
    for name, value in flat_weights(of.model).items():
        if not np.array_equal(found[name], value):
            raise ValueError(f"weight {name} is not the same once it was saved and loaded")
    return loaded


def _data(shape: tuple[int, ...]) -> dict[str, jax.Array]:
    """Noise, and the datum of zeros, where many a logarithm or quotient has no value."""
    draw = np.random.default_rng(0)
    noise = draw.random(shape) if len(shape) == 3 else draw.standard_normal(shape)
    return {"noise": jnp.asarray(noise, jnp.float32), "zeros": jnp.zeros(shape)}


def _terms(of: Candidate, graphdef: nnx.GraphDef, params: Any, datum: Datum, lmbda: Any) -> Terms:
    """J and its parts, always with the same noise."""
    key, model = jax.random.key(0), nnx.merge(graphdef, params)
    return objective(model, of.channel, datum, key, lmbda, distortion=of.distortion)


def _graded(of: Candidate, params: Any, datum: Datum, lmbda: Any) -> tuple[Terms, Any, Any]:
    """(J and its parts, its gradient by the weights, and by the variational parameters of each
    level).
    """
    graphdef = nnx.split(of.model)[0]

    def J(params, change):
        model = nnx.merge(graphdef, params)
        inferred = level_model(model).infer(datum.x, jnp.asarray(lmbda, jnp.float32))
        variational = jax.tree.map(jnp.add, inferred, change)
        terms = objective(
            model,
            of.channel,
            datum,
            jax.random.key(0),
            lmbda,
            variational,
            distortion=of.distortion,
        )
        return terms.J, terms

    abstract = jax.eval_shape(
        lambda params: level_model(nnx.merge(graphdef, params)).infer(datum.x, jnp.float32(0)),
        params,
    )
    none = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), abstract)
    (_, terms), (by_weight, by_variational) = jax.value_and_grad(J, (0, 1), has_aux=True)(
        params, none
    )
    return terms, by_weight, by_variational


def _finite(graded: tuple[Terms, Any, Any], name: str, lmbda: float) -> str:
    """J, every level's bits and every gradient are finite."""
    terms, by_weight, by_variational = graded
    parts = {f"the rate of level {level}": bits for level, bits in enumerate(terms.bits)}
    parts |= {"the distortion": terms.distortion}
    parts |= {
        f"J's gradient by the variational parameters of level {k}": g
        for k, g in enumerate(by_variational)
    }
    for path, leaf in nnx.to_flat_state(by_weight):
        parts[f"J's gradient by the weight {dotted(path)}"] = leaf[...]
    for what, value in parts.items():
        if not all(bool(np.isfinite(leaf).all()) for leaf in jax.tree.leaves(value)):
            raise ValueError(f"{what} is not finite at λ = {lmbda:g} for a datum of {name}")
    return (
        f"J of {name} at λ = {lmbda:g}: {float(terms.J):.4g} = {float(terms.bpp):.4g} bits + "
        f"λ·{float(terms.distortion):.4g}; gradients finite in all {len(terms.bits)} levels"
    )


def _padding(of: Candidate, J: Any) -> str:
    """An image that is mostly padding pays for all of its latents."""
    graphdef, params = nnx.split(of.model)
    x, lmbda = _data(of.shape)["noise"], of.model.lmbda_range[0]
    side = of.shape[0] - of.model.stride + 1
    mask = jnp.zeros((*of.shape[:2], 1)).at[:side, :side].set(1.0)
    padded = J(graphdef, params, Datum(x, mask), lmbda)
    bits, whole_bits = (
        sum(map(float, t.bits)) for t in (padded, J(graphdef, params, whole(x), lmbda))
    )
    if not np.isclose(float(padded.bpp) * side**2, whole_bits, rtol=1e-4):
        raise ValueError(f"an image with padding costs {bits:g} bits, its latents {whole_bits:g}")
    return f"padding: {side}×{side} pixels cost the {bits:.0f} bits of all {of.shape[0]} rows"


def _same_J(of: Candidate, loaded: Checkpoint, J: Any) -> str:
    """What was saved and loaded is the same function, options and all."""
    x, lmbda = whole(_data(of.shape)["noise"]), of.model.lmbda_range[0]
    before, after = (float(J(*nnx.split(m), x, lmbda).J) for m in (of.model, loaded.model))
    if not np.isclose(before, after, rtol=1e-6):
        raise ValueError(
            f"J is {after:g} once the model was saved and loaded, and {before:g} before: something "
            "that it depends on is neither a weight nor an option of its constructor"
        )
    return f"saves and loads: J is {after:.6g} again"


def _round_trip(of: Candidate, loaded: Checkpoint) -> str:
    """Bytes of one codec are read by another that was made from the file."""
    image = len(of.shape) == 3
    x = np.asarray(_data(of.shape)["noise"])
    datum = (255 * x).astype(np.uint8)[: -of.model.stride // 2, :-1] if image else np.stack([x, -x])
    lmbda = (of.model.lmbda_range[0] * of.model.lmbda_range[1]) ** 0.5
    written = Codec(of.model, loaded.tables)
    data = written.encode(datum, lmbda).data
    decoded = Codec(loaded.model, loaded.tables).decode(data).datum
    if decoded.shape != datum.shape or not np.array_equal(decoded, written.decode(data).datum):
        raise ValueError("what was written by the model is not read alike by the one from its file")
    mse = np.mean((decoded.astype(np.float64) - datum) ** 2)
    return f"bytes: {len(data)} for data {list(datum.shape)}, read again at an MSE of {mse:.4g}"
