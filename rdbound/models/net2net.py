"""Start a model from the weights of a smaller one, as the same function.

After Net2Net (Chen, Goodfellow & Shlens 2016, arXiv 1511.05641): the old
features keep their places, new ones are computed beside them, and no old output depends on
a new feature until training makes it. If :func:`grow` can keep the function, a
large model begins at the J at which a small one ended.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import nnx

from rdbound.models.base import dotted
from rdbound.models.layers import Down, Modulation, Moments, Spatial, Up

__all__ = ["grow"]

Groups = tuple[int, int]
"""The numbers of blocks of channels of a dense layer's inputs and outputs."""


def grow(model: Any, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return all weights of ``model`` by dotted name, those in ``weights`` in their places.

    New outputs keep their initial weights; new inputs do not reach old outputs,
    and new channels of a 3×3 convolution begin as the identity. A model that
    differs in depth, or in the width of blocks whose last layer begins at zero,
    starts as the same function.

    Args:
      model: the larger model with its initial weights.
      weights: weights of the smaller model. One that is smaller than the model's takes the
        leading channels.

    Raises:
      ValueError: for a weight that ``model`` lacks or that is larger than its own.
    """
    groups, spatial = _layouts(model)
    flat = nnx.to_flat_state(nnx.state(model, nnx.Param))
    out = {dotted(path): np.asarray(leaf[...]) for path, leaf in flat}
    for name, small in weights.items():
        small = np.asarray(small, np.float32)
        large = out.get(name, np.zeros(()))
        fits = large.ndim == small.ndim
        if not fits or any(a > b for a, b in zip(small.shape, large.shape, strict=True)):
            raise ValueError(
                f"weight {name} {small.shape} has no place in this model; start from a "
                "checkpoint of its kind, of the same size or smaller, and the same kind of rate"
            )
        if small.shape == large.shape:
            out[name] = small
        elif name in spatial:
            out[name] = _identity_beyond(large, small)
        else:
            out[name] = _leading(large, small, groups.get(name.rpartition(".")[0], (1, 1)))
    return out


def _layouts(model: Any) -> tuple[dict[str, Groups], set[str]]:
    """Return the groups of dense layers by name, and the names of 3×3 kernels."""
    groups: dict[str, Groups] = {}
    spatial = set()
    for path, module in nnx.iter_modules(model):
        name = dotted(path)
        match module:
            case Down():
                groups[f"{name}.dense"] = (module.factor**2, 1)
            case Up():
                groups[f"{name}.dense"] = (1, module.factor**2)
            case Modulation():
                groups[f"{name}.dense"] = (1, 2)
            case Moments():
                groups[name] = (1, 2)
            case Spatial():
                spatial.add(f"{name}.kernel")
    return groups, spatial


def _leading(large: np.ndarray, small: np.ndarray, groups: Groups) -> np.ndarray:
    """Put ``small`` in the leading channels of each group; new inputs do not reach old outputs."""
    blocks = groups[-large.ndim :]  # a bias has outputs only

    def split(shape):
        return [n for size, g in zip(shape, blocks, strict=True) for n in (g, size // g)]

    grown = large.reshape(split(large.shape)).copy()
    old = small.reshape(split(small.shape))
    if large.ndim == 2:
        grown[..., : old.shape[-1]] = 0.0
    grown[tuple(slice(0, n) for n in old.shape)] = old
    return grown.reshape(large.shape)


def _identity_beyond(large: np.ndarray, small: np.ndarray) -> np.ndarray:
    """Return a kernel [h, w, C, D] that passes its new channels on unchanged."""
    grown, old = np.zeros_like(large), small.shape[2]
    new = np.arange(old, min(large.shape[2:]))
    grown[large.shape[0] // 2, large.shape[1] // 2, new, new] = 1.0
    grown[:, :, :old, : small.shape[3]] = small
    return grown
