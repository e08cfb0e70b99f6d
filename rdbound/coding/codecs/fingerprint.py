"""Fingerprints of models, which keep a file from being decoded by another model."""

import hashlib
import inspect
from typing import Any

import numpy as np
from flax import nnx

from rdbound.models.base import LatentModel, dotted

__all__ = ["fingerprint", "flat_weights"]


def flat_weights(model: LatentModel) -> dict[str, np.ndarray]:
    """Return the parameters as arrays by dotted name: ``analysis.resamplings.0.dense.kernel``.

    Raises:
      ValueError: for a model with other variables, which its weights would not restore.
    """
    params = nnx.to_flat_state(nnx.state(model, nnx.Param))
    other = [dotted(path) for path, _ in nnx.to_flat_state(nnx.state(model, nnx.Not(nnx.Param)))]
    if other:
        raise ValueError(
            f"the model holds {', '.join(other)} beside nnx.Param, and a checkpoint keeps weights "
            "only: give random keys as arguments, keep no running statistics, and make constants "
            "where they are used"
        )
    return {dotted(path): np.asarray(leaf[...]) for path, leaf in params}


def fingerprint(model: LatentModel, tables: dict) -> bytes:
    """Return 8 bytes of SHA-256 over the weights, the λ range, the coding tables and the options.

    Two models of one fingerprint decode each other's streams. Weights are taken as
    little-endian float32 in the order of their names, tables by name: neither the machine nor
    the order in a checkpoint matters. Options other than the defaults are included if the model
    keeps them as attributes of the same name, such as the type of its arithmetic.

    Args:
      model: the latent model.
      tables: integer tables by key (:data:`rdbound.coding.entropy.frequency_tables.Tables`).
    """
    digest = hashlib.sha256(repr((type(model).__name__, model.lmbda_range)).encode())
    for name, value in sorted(flat_weights(model).items()):
        digest.update(f"{name} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value, "<f4").tobytes())
    for name, group in sorted(tables.items()):
        for table in group:
            digest.update(name.encode() + table.frequencies.astype("<i4").tobytes())
    for name, option in _options(model):
        digest.update(f"{name}={option!r}".encode())
    return digest.digest()[:8]


def _options(model: LatentModel) -> list[tuple[str, Any]]:
    """Return the options that the model keeps as attributes and that are not the defaults."""
    parameters = inspect.signature(type(model).__init__).parameters.values()
    defaults = {p.name: p.default for p in parameters if isinstance(p.default, _PLAIN)}
    kept = ((name, getattr(model, name, default)) for name, default in sorted(defaults.items()))
    return [
        (name, value)
        for name, value in kept
        if isinstance(value, _PLAIN) and value != defaults[name] and name not in _KNOWN_OTHERWISE
    ]


_PLAIN = (bool, int, float, str, tuple, type(None))
_KNOWN_OTHERWISE = ("form", "lmbda_range")
