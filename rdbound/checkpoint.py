"""Trained models on disk: one safetensors file, its configuration in the header.

The tensors are the weights by dotted name; a codec's integer tables travel
with them, so that a stream depends on no arithmetic but the file's.

    checkpoint = load("res-hyper-4-codec")  # in the zoo, or a path
    save_checkpoint(Path("copy.safetensors"), checkpoint.model, checkpoint.spec)

The header holds ``spec``, the keywords that rebuild the model: a file needs no
configuration beside it, and a model from outside the package is imported by its name.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from flax import nnx
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rdbound.coding.families import make_tables
from rdbound.coding.tables import Tables, pack, unpack
from rdbound.distortion import Distortion, make_distortion
from rdbound.fingerprint import flat_weights
from rdbound.models import LatentModel, make_model
from rdbound.models.growing import grow

__all__ = ["Checkpoint", "digest", "distortion_of", "load", "resolve",
           "save_checkpoint", "start_from", "zoo"]  # fmt: skip

_TABLE = "tables."
RUN_FILE = "model.safetensors"
"""What a run's folder calls its trained model."""


@dataclass(frozen=True)
class Checkpoint:
    """A model with what belongs to it.

    Attributes:
      model: the latent model.
      spec: keywords of :func:`rdbound.models.make_model` that rebuild it, and, where
        it was not trained for squared error, its ``distortion``: name and options.
      tables: a codec's integer tables; None for a bound.
      name: for tables and figures.
      digest: SHA-256 of the file, hexadecimal; empty for a model made in memory.
    """

    model: LatentModel
    spec: dict
    tables: Tables | None
    name: str
    digest: str = ""

    @property
    def distortion(self) -> Distortion:
        """What λ multiplies: that which the model was trained for.

        Raises ValueError where ``spec`` names one that there is not.
        """
        return distortion_of(self.spec)


def distortion_of(spec: dict) -> Distortion:
    """The distortion that a spec names; squared error where it names none.

    Raises ValueError for an unknown name or option.
    """
    named = spec.get("distortion") or {"name": "squared-error"}
    return make_distortion(named["name"], **named.get("options", {}))


def save_checkpoint(path: Path, model: LatentModel, spec: dict, dtype: str = "float32") -> Path:
    """Write a model with weights rounded to ``dtype`` and tables made from these.

    The tables are those of the weights as they will be read, not as they were
    trained. Loaded weights are float32 in either case.

    Args:
      path: of the file.
      model: the latent model.
      spec: see :class:`Checkpoint`.
      dtype: ``float32`` or ``float16``.

    Raises ValueError for a codec whose priors no fixed tables can code
    (:func:`rdbound.coding.families.make_tables`).
    """
    weights = {name: value.astype(dtype) for name, value in flat_weights(model).items()}
    model = _with_weights(model, weights)
    tensors = dict(weights)
    if model.form == "codec":
        for name, group in make_tables(model).items():
            tensors[f"{_TABLE}{name}"], tensors[f"{_TABLE}{name}.lengths"] = pack(group)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={"rdbound": json.dumps(spec)})
    return path


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint: a file, or a name in the zoo.

    Raises ValueError where there is none, or it is not one of rdbound's.
    """
    path = resolve(path)
    spec, tensors = _read(path)
    tables = {
        name.removeprefix(_TABLE): unpack(value, tensors[f"{name}.lengths"])
        for name, value in tensors.items()
        if name.startswith(_TABLE) and not name.endswith(".lengths")
    }
    # The initial weights are not wanted: only shapes are computed.
    arguments = {k: v for k, v in spec.items() if k != "distortion"}
    abstract = nnx.eval_shape(lambda: make_model(**arguments))
    model = _with_weights(abstract, tensors)
    return Checkpoint(model, spec, tables or None, _name(path), digest(path))


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


def zoo() -> dict[str, Path]:
    """The shipped checkpoints by name."""
    folder = Path(str(resources.files("rdbound") / "zoo"))
    return {file.stem: file for file in sorted(folder.glob("*.safetensors"))}


def start_from(model: LatentModel, path: str | Path) -> LatentModel:
    """``model`` with the weights of a checkpoint wherever it has the same ones.

    A codec can start from a bound (the parameters of its learned density that
    a Gaussian prior lacks keep their initial values), a Res-context from a
    Res-hyper, a larger model from a smaller (:func:`rdbound.models.growing.grow`).
    Raises ValueError where a weight of the checkpoint has no place.
    """
    path = resolve(path)
    _, tensors = _read(path)
    weights = {k: v for k, v in tensors.items() if not k.startswith(_TABLE)}
    try:
        return _with_weights(model, grow(model, weights))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: not a checkpoint ({error})") from None
    if "rdbound" not in metadata:
        raise ValueError(f"{path}: a safetensors file, but not written by rdbound")
    return json.loads(metadata["rdbound"]), tensors


def _with_weights(model: LatentModel, weights: dict[str, np.ndarray]) -> LatentModel:
    """The model with its parameters replaced, as float32; it may be abstract."""
    graphdef, state = nnx.split(model)
    flat = []
    for path, leaf in nnx.to_flat_state(state):
        name = ".".join(map(str, path))
        if name not in weights:
            raise ValueError(f"the checkpoint lacks the weight {name}")
        if weights[name].shape != leaf.shape:
            raise ValueError(
                f"weight {name} has the shape {weights[name].shape} in the checkpoint and "
                f"{leaf.shape} in the model"
            )
        flat.append((path, leaf.replace(jnp.asarray(weights[name], jnp.float32))))
    return nnx.merge(graphdef, nnx.from_flat_state(flat))
