"""The Karhunen–Loève start: an untrained model of images is a transform codec.

Random transforms spend most of a short training on learning to pass the
image through. Here the linear path of an analysis (its residual blocks start
at zero) is the transform that decorrelates a textbook model of photographs,
and the synthesis its transpose, so that training begins near JPEG and learns
what is not linear. The model: separable Gauss–Markov pixels of correlation
0.97 (Jain 1989, §5.11) in an opponent colour space.

The transform of a 16×16 patch is made in the steps of the resamplings (factors 4, 2
and 2), each the principal components of the concatenated components of the step
before, as many as the stage has channels. Steps are orthonormal, so that what they
keep is undone by the transpose and what they drop is of least variance in its step.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Array, Float

from rdbound.models.layers import Down, Up

__all__ = ["Stage", "down_kernel", "stages", "start_downs", "start_ups", "up_kernel"]

CORRELATION = 0.97
NOISE = 2e-3  # white, of each pixel: keeps every variance positive
_COLOURS = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
_VARIANCES = (2.7, 0.25, 0.08)  # of these colours, when RGB has variance about 1


@dataclass(frozen=True)
class Stage:
    """One resampling: ``rotation`` [f²·r_in, r] orthonormal columns, and the
    standard deviations of its inputs [r_in] and of its outputs [r] under the model.
    """

    factor: int
    rotation: np.ndarray
    std_in: np.ndarray
    std: np.ndarray


def _covariance(side: int) -> np.ndarray:
    """Return the covariance of the (row, column, colour) entries of a side × side RGB patch."""
    line = CORRELATION ** np.abs(np.subtract.outer(np.arange(side), np.arange(side)))
    colour = _COLOURS.T @ np.diag(_VARIANCES) @ _COLOURS
    return np.kron(np.kron(line, line), colour) + NOISE * np.eye(3 * side**2)


@cache
def stages(factors: tuple[int, ...], widths: tuple[int, ...]) -> tuple[Stage, ...]:
    """Return the transform in steps, each keeping at most ``widths[k]`` principal components.

    Computed in float64 in NumPy, once a size; it does not depend on a seed.

    Args:
      factors: factors of the resamplings, that of the pixels first.
      widths: channels after each resampling.
    """
    basis, std, side = np.eye(3).reshape(3, 1, 1, 3), np.ones(3), 1
    out = []
    for factor, width in zip(factors, widths, strict=True):
        rank, new = len(basis), side * factor
        lifted = np.zeros((factor, factor, rank, new, new, 3))
        for i in range(factor):
            for j in range(factor):
                rows, columns = slice(i * side, (i + 1) * side), slice(j * side, (j + 1) * side)
                lifted[i, j, :, rows, columns] = basis
        flat = lifted.reshape(factor**2 * rank, -1)
        variance, vectors = np.linalg.eigh(flat @ _covariance(new) @ flat.T)
        keep = np.argsort(variance)[::-1][: min(width, len(variance))]
        out.append(Stage(factor, vectors[:, keep], std, np.sqrt(variance[keep])))
        basis = (vectors[:, keep].T @ flat).reshape(len(keep), new, new, 3)
        std, side = out[-1].std, new
    return tuple(out)


def start_downs(layers: Iterable[Down], steps: Iterable[Stage]) -> None:
    """Make each layer apply the stage of its place."""
    for layer, stage in zip(layers, steps, strict=True):
        layer.dense.kernel[...] = down_kernel(layer.dense.kernel[...], stage)


def start_ups(layers: Iterable[Up], steps: Iterable[Stage]) -> None:
    """Make each layer undo the stage of its place, up to its truncation."""
    for layer, stage in zip(layers, steps, strict=True):
        layer.dense.kernel[...] = up_kernel(layer.dense.kernel[...], stage)


def down_kernel(random: Float[Array, "a d"], stage: Stage) -> Float[Array, "a d"]:
    """Return a kernel [f²·C, D] that applies the stage.

    Features are components divided by the root of their standard deviation:
    between raw (a range of hundreds) and white.

    Args:
      random: initial values, [f²·C, D]; columns beyond the stage's rank keep them.
      stage: the transform of one resampling by f.
    """
    rank_in, rank = len(stage.std_in), len(stage.std)
    rotation = stage.rotation.reshape(stage.factor**2, rank_in, rank)
    scaled = rotation * np.sqrt(stage.std_in)[:, None] / np.sqrt(stage.std)
    kernel = random.reshape(stage.factor**2, -1, random.shape[1])
    kernel = kernel.at[:, :, :rank].set(0.0).at[:, :rank_in, :rank].set(scaled)
    return kernel.reshape(random.shape)


def up_kernel(random: Float[Array, "d a"], stage: Stage) -> Float[Array, "d a"]:
    """Return a kernel [D, f²·C] that undoes :func:`down_kernel` up to its truncation.

    Args:
      random: initial values, [D, f²·C]; rows beyond the stage's rank keep them.
      stage: the transform of one resampling by f.
    """
    rank_out, rank = len(stage.std_in), len(stage.std)
    rotation = stage.rotation.reshape(stage.factor**2, rank_out, rank).transpose(2, 0, 1)
    scaled = rotation * np.sqrt(stage.std)[:, None, None] / np.sqrt(stage.std_in)
    kernel = random.reshape(random.shape[0], stage.factor**2, -1)
    kernel = kernel.at[:, :, :rank_out].set(0.0).at[:rank, :, :rank_out].set(scaled)
    return kernel.reshape(random.shape)
