"""Read and write the file of a checkpoint, and refuse files that are not checkpoints.

A file may come from a stranger. Its metadata are an object of keywords, its weights tensors of
:mod:`rdbound.checkpoints.weight_storage`, its tables integers of a fixed sum. Everything else ends
in a ValueError of one line that names the file.
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
    """The contents of a file.

    Attributes:
      spec: see :class:`rdbound.checkpoints.checkpoint.Checkpoint`.
      weights: tensors of the weights, as :mod:`rdbound.checkpoints.weight_storage` stores them.
      tables: tables of a codec, or of the code points of a bound; may be empty.
    """

    spec: dict[str, Any]
    weights: dict[str, np.ndarray]
    tables: Tables


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn every exception into a ValueError of one line that names the file.

    For code that follows a file, in which any exception is a mistake in the file. The type of
    exceptions other than ValueError is part of the message.
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
    """Return the contents of a file, checked as far as possible without its model.

    Raises:
      ValueError: the file is no checkpoint.
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
    """Write a file for :func:`read_contents`; it replaces an older one when it is complete."""
    tensors = dict(contents.weights)
    for name, group in contents.tables.items():
        tensors[f"{_TABLE}{name}"], tensors[f"{_TABLE}{name}{_LENGTHS}"] = pack(group)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        save_file(tensors, part, metadata={"rdbound": json.dumps(contents.spec)})


def _spec(text: str) -> dict[str, Any]:
    """Return the metadata as keywords of :func:`rdbound.models.make_model` and a ``distortion``."""
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
