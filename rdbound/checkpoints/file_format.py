"""What a checkpoint's file may say: read, and refused where it is not one.

A file is data from anywhere. Its metadata are an object of keywords, its weights what
:mod:`rdbound.checkpoints.weight_storage` stores, its tables integers that sum up; what is neither
ends in one line that names it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rdbound.coding.entropy.frequency_tables import Tables, pack, unpack
from rdbound.utils.atomic_files import replacing

__all__ = ["Contents", "naming", "read_contents", "write_contents"]

_TABLE, _LENGTHS = "tables.", ".lengths"
_LONGEST_SPEC = 2**14
"""Characters of the metadata: a list of a million layers would take an hour to build."""


class Contents(NamedTuple):
    """What a file holds.

    Attributes:
      spec: see :class:`rdbound.checkpoints.checkpoint.Checkpoint`.
      weights: the tensors of the weights, as :mod:`rdbound.checkpoints.weight_storage` stores them.
      tables: of a codec, or of the code points of a bound; empty for a bound without.
    """

    spec: dict[str, Any]
    weights: dict[str, np.ndarray]
    tables: Tables


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Whatever goes wrong with what ``path`` holds becomes one line of ValueError that names it.

    For code that is led by a file: there any exception is a mistake in the file, and
    those of other types than ValueError are told with theirs.
    """
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {_line(error)}") from error
    except Exception as error:
        raise ValueError(f"{path}: no model ({type(error).__name__}: {_line(error)})") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def read_contents(path: Path) -> Contents:
    """The contents of a file, checked as far as that goes without its model.

    Raises ValueError for what is no checkpoint.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError) as error:
        raise ValueError(f"not a checkpoint ({error})") from None
    if "rdbound" not in metadata:
        raise ValueError("a safetensors file, but not written by rdbound")
    weights = {k: v for k, v in tensors.items() if not k.startswith(_TABLE)}
    return Contents(_spec(metadata["rdbound"]), weights, _tables(tensors))


def write_contents(path: Path, contents: Contents) -> None:
    """Write a file that :func:`read_contents` reads; an older one stays until it is whole."""
    tensors = dict(contents.weights)
    for name, group in contents.tables.items():
        tensors[f"{_TABLE}{name}"], tensors[f"{_TABLE}{name}{_LENGTHS}"] = pack(group)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        save_file(tensors, part, metadata={"rdbound": json.dumps(contents.spec)})


def _spec(text: str) -> dict[str, Any]:
    """The metadata as keywords of :func:`rdbound.models.make_model` and a ``distortion``."""
    if len(text) > _LONGEST_SPEC:
        raise ValueError(f"its metadata have {len(text)} characters; a model has few options")
    try:
        spec = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its metadata are not JSON ({error})") from None
    if not isinstance(spec, dict):
        raise ValueError(f"its metadata are a {type(spec).__name__}, not the keywords of a model")
    named = spec.get("distortion", {"name": ""})
    well_named = isinstance(named, dict) and isinstance(named.get("name"), str)
    if not well_named or not isinstance(named.get("options", {}), dict):
        raise ValueError(f"its distortion is {named!r}; expected a name and options")
    if not isinstance(spec.get("name"), str):
        raise ValueError(f"its metadata name no model: name = {spec.get('name')!r}")
    return spec


def _tables(tensors: dict[str, np.ndarray]) -> Tables:
    names = {k for k in tensors if k.startswith(_TABLE) and not k.endswith(_LENGTHS)}
    missing = sorted(k for k in names if f"{k}{_LENGTHS}" not in tensors)
    if missing:
        raise ValueError(f"{missing[0]} has no lengths beside it")
    return {
        name.removeprefix(_TABLE): unpack(value, tensors[f"{name}{_LENGTHS}"])
        for name, value in tensors.items()
        if name in names
    }
