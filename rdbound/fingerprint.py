"""Fingerprints of models: what a stream names so that no other model decodes it."""

import hashlib

import numpy as np
from flax import nnx

from rdbound.models.base import LatentModel

__all__ = ["fingerprint", "flat_weights"]


def flat_weights(model: LatentModel) -> dict[str, np.ndarray]:
    """The parameters by dotted name, as arrays: ``analysis.resamplings.0.dense.kernel``."""
    flat = nnx.to_flat_state(nnx.state(model, nnx.Param))
    return {".".join(map(str, path)): np.asarray(leaf[...]) for path, leaf in flat}


def fingerprint(model: LatentModel, tables: dict) -> bytes:
    """8 bytes of SHA-256 over the weights, the λ range and the coding tables.

    Two models of one fingerprint decode each other's streams. Weights are taken as
    little-endian float32 in the order of their names, tables by name: the machine, and
    the order in a file, do not matter.

    Args:
      model: the latent model.
      tables: integer tables by key (:data:`rdbound.coding.tables.Tables`).
    """
    digest = hashlib.sha256(repr((type(model).__name__, model.lmbda_range)).encode())
    for name, value in sorted(flat_weights(model).items()):
        digest.update(f"{name} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value, "<f4").tobytes())
    for name, group in sorted(tables.items()):
        for table in group:
            digest.update(name.encode() + table.frequencies.astype("<i4").tobytes())
    return digest.digest()[:8]
