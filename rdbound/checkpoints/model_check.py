"""Check what a latent model must do before it is worth training, in the order in which it fails.

    candidate = Candidate(model, spec, make_channel("mixed"), SquaredError(), (64, 64, 3))
    check_model(candidate)

The first check that fails raises ValueError with the reason and, if a method of the model raised
an exception, the line of its file. Training calls :func:`check_shapes`, which compiles nothing of
the model, before its first step.
"""

import inspect
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
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
from rdbound.coding.entropy.model_tables import make_tables
from rdbound.models.base import Intercepted, LatentModel, dotted, level_model
from rdbound.objective.datum import Datum, whole
from rdbound.objective.distortion import Distortion
from rdbound.objective.objective import Terms, objective
from rdbound.utils.progress import LOG

__all__ = ["Candidate", "check_model", "check_shapes", "raised"]


@dataclass(frozen=True)
class Candidate:
    """A model and how it is to be trained.

    Attributes:
      model: the model with its initial weights.
      spec: see :class:`rdbound.checkpoints.checkpoint.Checkpoint`.
      channel: conveys the latents in training.
      distortion: D of the objective.
      shape: shape of a datum, [H, W, 3] in multiples of the stride, or [n].
    """

    model: LatentModel
    spec: dict[str, Any]
    channel: Channel
    distortion: Distortion
    shape: tuple[int, ...]

    def J(self, params: Any, datum: Datum, lmbda: Any, change: Any = None) -> Terms:
        """Return J and its parts for one sample of the channel, with the same noise every time.

        Args:
          params: weights of the model.
          datum: the datum.
          lmbda: the trade-off λ.
          change: added to the variational parameters, or None.
        """
        model, key = nnx.merge(nnx.split(self.model)[0], params), jax.random.key(0)
        variational = None
        if change is not None:
            inferred = level_model(model).infer(datum.x, jnp.asarray(lmbda, jnp.float32))
            variational = jax.tree.map(jnp.add, inferred, change)
        return objective(
            model, self.channel, datum, key, lmbda, variational, distortion=self.distortion
        )


def check_shapes(candidate: Candidate) -> None:
    """Check weights, shapes, gradients by their shapes, and that a codec's priors can be coded.

    Each check that the model passes is logged.

    Raises:
      ValueError: a check fails; the message begins with the name of the model.
    """
    _log(candidate, _cheap_checks(candidate))


def check_model(candidate: Candidate) -> None:
    """Check as :func:`check_shapes` does, then J, its gradients, a saved copy and a codec.

    Each check that the model passes is logged.

    Raises:
      ValueError: a check fails; the message begins with the name of the model.
    """
    _log(candidate, _cheap_checks(candidate))
    _log(candidate, _numeric_checks(candidate))


def _log(candidate: Candidate, checks: Iterable[str]) -> None:
    try:
        for line in checks:
            LOG.info(line)
    except ValueError as error:
        raise ValueError(f"model {candidate.spec['name']!r}: {error}") from error


def _cheap_checks(of: Candidate) -> Iterator[str]:
    yield _weights(of)
    yield _shapes(of)
    if of.model.form == "codec":
        yield f"tables: {sum(map(len, make_tables(of.model).values()))} code the latents"


def _numeric_checks(of: Candidate) -> Iterator[str]:
    """Check J and its gradients at three λ, J of a saved copy, and bytes."""
    low, high = of.model.lmbda_range
    params = nnx.split(of.model)[1]
    graded = jax.jit(partial(_graded, of))
    for lmbda in (low, (low * high) ** 0.5, high) if low < high else (low,):
        for name, x in _data(of.shape).items():
            yield _finite(graded(params, whole(x), lmbda), name, lmbda)
    with tempfile.TemporaryDirectory() as folder:
        file = save_checkpoint(Path(folder) / "model.safetensors", of.model, of.spec)
        loaded = load(file, outside=[of.spec["name"]])
    yield _same_J(of, loaded)
    if of.model.form == "codec":
        yield _round_trip(of, loaded)


def raised(what: str, error: Exception, file: str | None) -> ValueError:
    """Describe an exception out of a model's code in one line.

    Args:
      what: the method that was called.
      error: the exception.
      file: file of the model's code, whose line is named if the exception passed it.
    """
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    where = f" ({Path(str(file)).name}, line {lines[-1]})" if lines else ""
    reason = (str(error).splitlines() or [""])[0]
    return ValueError(f"{what} raised {type(error).__name__}: {reason}{where}")


def _weights(of: Candidate) -> str:
    """Check form and λ range, and that the model holds finite weights and nothing else."""
    if not isinstance(of.model, nnx.Module):
        raise ValueError("it is no nnx.Module, which is what holds weights")
    if of.model.form != of.spec["form"]:
        raise ValueError(f"its form is {of.model.form!r}, though {of.spec['form']!r} was asked for")
    if not np.allclose(of.model.lmbda_range, of.spec["lmbda"], rtol=1e-6):
        raise ValueError(f"its lmbda_range is {of.model.lmbda_range}, not {of.spec['lmbda']}")
    weights = flat_weights(of.model)
    check_weights(weights)
    count = sum(value.size for value in weights.values())
    return f"weights: {len(weights)} of {count:,} numbers, all nnx.Param, finite"


def _shapes(of: Candidate) -> str:
    """Check by shapes that the loss of a batch of two has a gradient, method by method."""
    graphdef, params = nnx.split(of.model)
    file = inspect.getsourcefile(type(of.model))
    latents: dict[int, str] = {}

    def around(name: str, level: int | None, call: Callable, *arguments: Any) -> Any:
        try:
            result = call(*arguments)
        except Exception as error:
            raise raised(f"its {name}{_described(level, arguments)}", error, file) from error
        if name == "absorb" and level is not None:
            latents[level] = str(list(arguments[1].shape))
        if name == "synthesize":
            _check_reconstruction(result, of.shape)
        return result

    def loss(params: Any, xs: jax.Array) -> jax.Array:
        model = Intercepted(level_model(nnx.merge(graphdef, params)), around)

        def J(x: jax.Array) -> jax.Array:
            key, lmbda = jax.random.key(0), jnp.float32(of.model.lmbda_range[0])
            return objective(model, of.channel, whole(x), key, lmbda, distortion=of.distortion).J

        return jax.vmap(J)(xs).mean()

    try:
        jax.eval_shape(jax.grad(loss), params, jax.ShapeDtypeStruct((2, *of.shape), jnp.float32))
    except ValueError:
        raise
    except Exception as error:
        raise raised("the loss of a batch", error, file) from error
    found = ", ".join(latents.values()) or "of no level"
    return f"shapes: data {list(of.shape)} have latents {found}, and J can be differentiated"


def _described(level: int | None, arguments: tuple) -> str:
    """Describe a call by its level and the shapes of its arrays."""
    shapes = [str(list(np.shape(a))) for a in arguments if hasattr(a, "shape") and np.ndim(a)]
    found = ", ".join([*([] if level is None else [f"level {level}"]), *shapes])
    return f" of {found}" if found else ""


def _check_reconstruction(x_hat: Any, shape: tuple[int, ...]) -> None:
    shapes = {leaf.shape for leaf in jax.tree.leaves(x_hat)}
    if shapes != {shape}:
        found = ", ".join(str(list(other)) for other in sorted(shapes))
        raise ValueError(f"its synthesize returns {found} for data {list(shape)}")


def _data(shape: tuple[int, ...]) -> dict[str, jax.Array]:
    """Return noise, and zeros, at which many a logarithm or quotient has no value."""
    draw = np.random.default_rng(0)
    noise = draw.random(shape) if len(shape) == 3 else draw.standard_normal(shape)
    return {"noise": jnp.asarray(noise, jnp.float32), "zeros": jnp.zeros(shape)}


def _graded(of: Candidate, params: Any, datum: Datum, lmbda: Any) -> tuple[Terms, Any, Any]:
    """Return J and its parts, and its gradients by weights and by variational parameters."""
    model = level_model(nnx.merge(nnx.split(of.model)[0], params))
    zeros = jax.tree.map(jnp.zeros_like, model.infer(datum.x, jnp.float32(lmbda)))

    def J(params: Any, change: Any) -> tuple[jax.Array, Terms]:
        terms = of.J(params, datum, lmbda, change)
        return terms.J, terms

    (_, terms), gradients = jax.value_and_grad(J, (0, 1), has_aux=True)(params, zeros)
    return terms, *gradients


def _finite(graded: tuple[Terms, Any, Any], name: str, lmbda: float) -> str:
    """Check that J, the bits of every level and every gradient are finite."""
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


def _same_J(of: Candidate, loaded: Checkpoint) -> str:
    """Check that the model saved and loaded is the same function, options and all."""
    x, lmbda = whole(_data(of.shape)["noise"]), of.model.lmbda_range[0]
    before, after = (
        float(jax.jit(one.J)(nnx.split(one.model)[1], x, lmbda).J)
        for one in (of, replace(of, model=loaded.model))
    )
    if not np.isclose(before, after, rtol=1e-6):
        raise ValueError(
            f"J is {after:g} once the model was saved and loaded, and {before:g} before: something "
            "that it depends on is neither a weight nor an option of its constructor"
        )
    return f"saves and loads: J is {after:.6g} again"


def _round_trip(of: Candidate, loaded: Checkpoint) -> str:
    """Check that a codec made from the file decodes what a codec of the model encodes."""
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
