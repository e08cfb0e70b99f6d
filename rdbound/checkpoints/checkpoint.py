"""Trained models on disk: one safetensors file, its configuration in the header.

The tensors are the weights by dotted name; a codec's integer tables travel
with them, so that a stream depends on no arithmetic but the file's.

    checkpoint = load("res-context-4-codec")  # in the zoo, or a path
    save_checkpoint(Path("copy.safetensors"), checkpoint.model, checkpoint.spec)
    mine = load("mine.safetensors", outside=["package.module:Class"])

The header holds ``spec``, the keywords that rebuild the model: a file needs no
configuration beside it. A class from outside the package is imported only where the
caller names it too (``outside``): a file from anywhere must not choose code to run.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.checkpoints.file_format import Contents, naming, read_contents, write_contents
from rdbound.checkpoints.weight_storage import decoded_weights, encoded_weights, told_shapes
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
"""What a run's folder calls its trained model."""


@dataclass(frozen=True)
class Checkpoint:
    """A model with what belongs to it.

    Attributes:
      model: the latent model.
      spec: keywords of :func:`rdbound.models.make_model` that rebuild it, and, where
        it was not trained for squared error, its ``distortion``: name and options.
      tables: a codec's integer tables, a bound's for code points; None for a bound without.
      name: for tables and figures.
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
        """What λ multiplies: that which the model was trained for.

        Raises ValueError where ``spec`` names one that there is not, or one from outside
        the package that is not among ``outside``.
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
    """Write a model with weights rounded to ``dtype`` and tables made from these.

    The tables are those of the weights as they will be read, not as they were
    trained. Loaded weights are float32 in either case.

    Args:
      path: of the file.
      model: the latent model.
      spec: see :class:`Checkpoint`.
      dtype: ``float32``, ``float16``, ``int8`` or ``coded``
        (:mod:`rdbound.checkpoints.weight_storage`).
      fineness: of coded kernels, see :func:`rdbound.checkpoints.weight_storage.encoded_weights`.

    Raises ValueError, and writes nothing, for a weight that is not finite in ``dtype``, a model
    that holds more than weights, and a codec whose priors no fixed tables can code
    (:func:`rdbound.coding.entropy.model_tables.make_tables`).
    """
    tensors = encoded_weights(flat_weights(model), dtype, precise_parts(model), fineness)
    model = with_weights(model, decoded_weights(tensors))
    tables = make_tables(model) if model.form == "codec" else {}
    write_contents(path, Contents(spec, tensors, tables))
    return path


def load(path: str | Path, outside: Collection[str] = ()) -> Checkpoint:
    """Read a checkpoint: a file, or a name in the zoo.

    Args:
      path: see :func:`resolve`.
      outside: names ``package.module:Class`` of what the file may import from outside
        the package: its model, its distortion.

    Raises ValueError where there is none, it is not one of rdbound's, or its model is from
    outside and not named. Weights are held against the shapes of the model that its
    metadata describe before anything of their size is allocated.
    """
    path = resolve(path)
    with naming(path):
        spec, tensors, tables = read_contents(path)
        refuse_outside("model", spec["name"], outside)
        # The initial weights are not wanted: only shapes are computed.
        arguments = {k: v for k, v in spec.items() if k != "distortion"}
        abstract = nnx.eval_shape(lambda: make_model(**arguments))
        _check_shapes(abstract, told_shapes(tensors))
        model = with_weights(abstract, decoded_weights(tensors))
        if model.form == "codec":
            check_tables(model, tables)
        elif tables:
            check_codes(model, tables)
    return Checkpoint(model, spec, tables or None, _name(path), digest(path), outside)


def digest(path: str | Path) -> str:
    """SHA-256 of a checkpoint's file, hexadecimal; raises ValueError as :func:`resolve`."""
    return hashlib.sha256(resolve(path).read_bytes()).hexdigest()


def _name(path: Path) -> str:
    """A file's stem; a run's ``model.safetensors`` is called by its folder."""
    return path.absolute().parent.name if path.name == RUN_FILE else path.stem


def resolve(path: str | Path) -> Path:
    """The file of a checkpoint given by path or by its name in the zoo.

    A folder stands for the ``model.safetensors`` of the run in it; a file goes before
    a name. Raises ValueError, listing the names, where there is neither.
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
    """``model`` with the weights of a checkpoint wherever it has the same ones.

    A codec can start from a bound (the parameters of its learned density that
    a Gaussian prior lacks keep their initial values), a Res-context from a
    Res-hyper, a larger model from a smaller (:func:`rdbound.models.net2net.grow`).
    Raises ValueError where a weight of the checkpoint has no place.
    """
    path = resolve(path)
    with naming(path):
        return with_weights(model, grow(model, decoded_weights(read_contents(path).weights)))


def with_weights(model: LatentModel, weights: dict[str, np.ndarray]) -> LatentModel:
    """The model with its parameters replaced by ``weights``, as float32; it may be abstract.

    Raises ValueError, naming it, for a weight too many, missing or of another shape.
    """
    _check_shapes(model, {name: value.shape for name, value in weights.items()})
    graphdef, state = nnx.split(model)
    flat = [
        (path, leaf.replace(jnp.asarray(weights[dotted(path)], jnp.float32)))
        for path, leaf in nnx.to_flat_state(state)
    ]
    return nnx.merge(graphdef, nnx.from_flat_state(flat))


def _check_shapes(model: LatentModel, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError for a weight too many, missing or of another shape than the model's."""
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
