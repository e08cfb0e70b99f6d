"""Save and load trained models: one safetensors file, with the configuration in its header.

The tensors are the weights by dotted name and the integer tables of a codec, so that a stream
does not depend on the arithmetic of the machine that reads the file.

    checkpoint = load("res-context-4-codec")  # in the zoo, or a path
    save_checkpoint(Path("copy.safetensors"), checkpoint.model, checkpoint.spec)
    mine = load("mine.safetensors", outside=["package.module:Class"])

The header holds ``spec``, the keywords that rebuild the model, so that a file needs no other
configuration. A class from outside the package is imported only if the caller names it too
(``outside``): a file from a stranger must not choose code to run.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.checkpoints.file_format import Contents, naming, read_contents, write_contents
from rdbound.checkpoints.weight_storage import decoded_weights, encoded_weights, stored_shapes
from rdbound.coding.codecs.fingerprint import flat_weights
from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.coding.entropy.model_tables import check_codes, check_tables, make_tables
from rdbound.models import LatentModel, make_model
from rdbound.models.base import dotted, precise_parts
from rdbound.models.net2net import grow
from rdbound.objective.distortion import Distortion, make_distortion
from rdbound.utils.registry import refuse_outside
from rdbound.utils.shipped import zoo

__all__ = [
    "Checkpoint",
    "digest",
    "load",
    "resolve",
    "save_checkpoint",
    "start_from",
    "with_weights",
]

RUN_FILE = "model.safetensors"
"""Name of the trained model in a run folder."""


@dataclass(frozen=True)
class Checkpoint:
    """A model with its configuration and its coding tables.

    Attributes:
      model: the latent model.
      spec: keywords of :func:`rdbound.models.make_model` that rebuild it, and, if it was not
        trained for squared error, its ``distortion``: name and options.
      tables: integer tables of a codec, or of the code points of a bound; None without any.
      name: name in tables and figures.
      digest: SHA-256 of the file, hexadecimal; empty for a model made in memory.
      outside: names ``package.module:Class`` that ``spec`` may import.
    """

    model: LatentModel
    spec: dict
    tables: Tables | None
    name: str
    digest: str = ""
    outside: Collection[str] = ()

    @property
    def distortion(self) -> Distortion:
        """Return the distortion that the model was trained for.

        Raises:
          ValueError: ``spec`` has an unknown one, or one from outside the package that is not
            in ``outside``.
        """
        named = self.spec.get("distortion", {"name": "squared-error"})
        try:
            refuse_outside("distortion", named["name"], self.outside)
            return make_distortion(named["name"], **named.get("options", {}))
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None


def save_checkpoint(
    path: Path,
    model: LatentModel,
    spec: dict,
    dtype: str = "float32",
    fineness: Mapping[str, float] | None = None,
) -> Path:
    """Write a model with weights rounded to ``dtype``, and the tables of the rounded weights.

    Loaded weights are float32 in every case.

    Args:
      path: file to write.
      model: the latent model.
      spec: see :class:`Checkpoint`.
      dtype: ``float32``, ``float16`` or ``coded`` (:mod:`rdbound.checkpoints.weight_storage`).
      fineness: steps of coded kernels, see
        :func:`rdbound.checkpoints.weight_storage.encoded_weights`.

    Raises:
      ValueError: a weight is not finite in ``dtype``, the model holds more than weights, or no
        fixed tables can code the priors of a codec
        (:func:`rdbound.coding.entropy.model_tables.make_tables`). Nothing is written.
    """
    tensors = encoded_weights(flat_weights(model), dtype, precise_parts(model), fineness)
    model = with_weights(model, decoded_weights(tensors))
    tables = make_tables(model) if model.form == "codec" else {}
    write_contents(path, Contents(spec, tensors, tables))
    return path


def load(path: str | Path, outside: Collection[str] = ()) -> Checkpoint:
    """Read a checkpoint: a file, or a name of a shipped one.

    The shapes of the weights are compared with those of the model that the header describes
    before memory of their size is allocated.

    Args:
      path: see :func:`resolve`.
      outside: names ``package.module:Class`` that the file may import from outside the package:
        its model, its distortion.

    Raises:
      ValueError: there is no such checkpoint, it is not one of rdbound, or its model is from
        outside the package and not in ``outside``.
    """
    path = resolve(path)
    with naming(path):
        spec, tensors, tables = read_contents(path)
        refuse_outside("model", spec["name"], outside)
        # The initial weights are not needed: only shapes are computed.
        arguments = {k: v for k, v in spec.items() if k != "distortion"}
        abstract = nnx.eval_shape(lambda: make_model(**arguments))
        _check_shapes(abstract, stored_shapes(tensors))
        model = with_weights(abstract, decoded_weights(tensors))
        if model.form == "codec":
            check_tables(model, tables)
        elif tables:
            check_codes(model, tables)
    return Checkpoint(model, spec, tables or None, _name(path), digest(path), outside)


def digest(path: str | Path) -> str:
    """Return the SHA-256 of a checkpoint's file, hexadecimal (:func:`resolve`)."""
    return hashlib.sha256(resolve(path).read_bytes()).hexdigest()


def _name(path: Path) -> str:
    """Return a file's stem, or the folder of a run's ``model.safetensors``."""
    return path.absolute().parent.name if path.name == RUN_FILE else path.stem


def resolve(path: str | Path) -> Path:
    """Return the file of a checkpoint.

    Args:
      path: a file, the folder of a run, or the name of a shipped checkpoint; a file has
        precedence over a name.

    Raises:
      ValueError: there is none; the message lists the names.
    """
    file = Path(path).expanduser()
    if file.is_dir():
        file = file / RUN_FILE
    if file.is_file():
        return file
    known = zoo()
    if str(path) in known:
        return known[str(path)]
    raise ValueError(f"no checkpoint {path}: neither a file nor one of {', '.join(known)}")


def start_from(model: LatentModel, path: str | Path) -> LatentModel:
    """Return ``model`` with the weights of a checkpoint wherever both have the same weight.

    A codec can start from a bound (the parameters of its learned density that a Gaussian prior
    lacks keep their initial values), a Res-context from a Res-hyper, and a larger model from a
    smaller one (:func:`rdbound.models.net2net.grow`).

    Raises:
      ValueError: a weight of the checkpoint has no place in the model.
    """
    path = resolve(path)
    with naming(path):
        return with_weights(model, grow(model, decoded_weights(read_contents(path).weights)))


def with_weights(model: LatentModel, weights: dict[str, np.ndarray]) -> LatentModel:
    """Return the model with its parameters replaced by ``weights``, as float32.

    Args:
      model: the latent model, which may be abstract.
      weights: weights by dotted name.

    Raises:
      ValueError: a weight is unknown, missing or of another shape; the message names it.
    """
    _check_shapes(model, {name: value.shape for name, value in weights.items()})
    graphdef, state = nnx.split(model)
    flat = [
        (path, leaf.replace(jnp.asarray(weights[dotted(path)], jnp.float32)))
        for path, leaf in nnx.to_flat_state(state)
    ]
    return nnx.merge(graphdef, nnx.from_flat_state(flat))


def _check_shapes(model: LatentModel, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError if a weight is unknown, missing or of another shape than the model's."""
    leaves = nnx.to_flat_state(nnx.state(model))
    known = {dotted(path): leaf.shape for path, leaf in leaves}
    unknown = sorted(shapes.keys() - known.keys())
    if unknown:
        raise ValueError(f"the checkpoint has the weight {unknown[0]}, which the model lacks")
    for name, shape in known.items():
        if name not in shapes:
            raise ValueError(f"the checkpoint lacks the weight {name}")
        if shapes[name] != shape:
            raise ValueError(
                f"weight {name} has the shape {shapes[name]} in the checkpoint and "
                f"{shape} in the model"
            )
