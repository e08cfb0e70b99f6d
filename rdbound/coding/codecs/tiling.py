"""Large images in overlapping tiles: memory that does not grow with the image.

A method of a convolutional model depends on the surroundings of a place only within its receptive
field, the model's ``reach``. A tile gives what lies that far from its edges, and everything at the
edges of the image, where the model's own padding is the same. Latents, states and reconstruction
are whole arrays; only what is between them, some hundred bytes a pixel, is computed in tiles.

A cell of an image is stride × stride pixels.
"""

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.models.base import Intercepted, LevelModel, level_model
from rdbound.objective.levels import walk

__all__ = ["LARGEST_SIDE", "Span", "Tiling", "is_large", "spans", "tiled", "tiling_of"]

LARGEST_SIDE = 2048
"""Pixels of a tile's side. An image of no more pixels than such a tile is computed whole."""


def is_large(height: int, width: int) -> bool:
    """Return whether an image is computed in tiles."""
    return height * width > LARGEST_SIDE**2


class Span(NamedTuple):
    """A tile along one axis, in cells: it starts at ``start``; [``begin``, ``end``) is used."""

    start: int
    begin: int
    end: int


def spans(cells: int, most: int, reach: int) -> tuple[int, list[Span]]:
    """Return the common length of tiles along one axis, and the tiles.

    A cell is exact if it is ``reach`` cells or more from each edge of its tile, or if that edge is
    the image's. Lengths are multiples of four cells if possible, so that images of many sizes
    share few programs.

    Args:
      cells: length of the image, in cells.
      most: the greatest length of a tile, in cells.
      reach: the receptive field, in cells on each side.

    Raises:
      ValueError: if ``reach`` leaves nothing of a tile of ``most`` cells.
    """
    if cells <= most:
        return cells, [Span(0, 0, cells)]
    inner = most - 2 * reach
    if inner < 1:
        raise ValueError(
            f"the model's receptive field reaches {reach} cells far, too far for tiles of {most} "
            f"cells: images of more than {LARGEST_SIDE**2} pixels are too large for it"
        )
    count = -(-(cells - 2 * reach) // inner)
    least = -(-(cells - 2 * reach) // count) + 2 * reach
    length = min(-(-least // 4) * 4, most)
    starts = [min(i * (length - 2 * reach), cells - length) for i in range(count)]
    ends = [*(start + length - reach for start in starts[:-1]), cells]
    return length, [Span(*s) for s in zip(starts, [0, *ends[:-1]], ends, strict=True)]


class Tiling(NamedTuple):
    """What tiles need to know about a model.

    Attributes:
      stride: the model's stride.
      reach: the receptive field of its methods, in cells on each side.
      layouts: for each (method, level), level None for methods without one, the rows (and
        columns) for each cell of every array in its result; 0 for an array of one size.
    """

    stride: int
    reach: int
    layouts: dict[tuple[str, int | None], Any]

    def arguments(self, name: str, level: int | None) -> tuple:
        """Return the layouts of a method's arguments."""
        if name == "infer":
            return (self.stride, 0, None)
        levels = sum(name == "absorb" for name, _ in self.layouts)
        before = levels if level is None else level
        state = self.layouts["absorb", before - 1] if before else self.layouts["start", None]
        if name == "posterior":
            return (state, self.layouts["infer", None][level])
        if name == "absorb":
            return (state, self.layouts["posterior", level].mu)
        return (state,)


def tiling_of(model: Any) -> Tiling:
    """Return what tiles need to know about a model of images; nothing is computed.

    Raises:
      ValueError: if the model does not declare its ``reach``, or has arrays that do not scale
        with the image.
    """
    reach = getattr(model, "reach", None)
    if reach is None:
        raise ValueError(
            f"images of more than {LARGEST_SIDE**2} pixels are computed in tiles, for which "
            f"{type(model).__name__} must declare its receptive field: an attribute 'reach', in "
            "cells of stride × stride pixels"
        )
    sizes = (_result_shapes(model, 2, 3), _result_shapes(model, 3, 5))
    return Tiling(model.stride, reach, jax.tree.map(_rows_per_cell, *sizes))


def _result_shapes(model: Any, rows: int, columns: int) -> dict[tuple[str, int | None], Any]:
    """Return the shapes of all methods' results for an image of so many cells."""
    graphdef, params = nnx.split(model)

    def results(params: Any, x: jax.Array, lmbda: jax.Array) -> dict:
        found = {}

        def around(name: str, level: int | None, call: Callable[..., Any], *arguments: Any) -> Any:
            found[name, level] = call(*arguments)
            return found[name, level]

        recorded = Intercepted(level_model(nnx.merge(graphdef, params)), around)
        variational = recorded.infer(x, lmbda)

        def step(level, prior, state):
            return recorded.posterior(level, state, variational[level]).mu, None

        recorded.synthesize(walk(recorded, lmbda, len(variational), step).state)
        return found

    x = jax.ShapeDtypeStruct((rows * model.stride, columns * model.stride, 3), jnp.float32)
    return jax.eval_shape(results, params, x, jax.ShapeDtypeStruct((), jnp.float32))


def _rows_per_cell(small: Any, large: Any) -> int:
    """Return the rows for each cell of an array from its shapes at 2 × 3 and at 3 × 5 cells."""
    if small.shape == large.shape:
        return 0
    k = small.shape[0] // 2
    scaled = len(small.shape) == 3 and small.shape == (2 * k, 3 * k, small.shape[2])
    if not scaled or large.shape != (3 * k, 5 * k, small.shape[2]):
        raise ValueError(f"an array {small.shape} of the model does not scale with the image")
    return k


def tiled(model: LevelModel, tiling: Tiling, size: tuple[int, int]) -> LevelModel:
    """Return the level model of large images of one size, computed in tiles.

    Its results are those of the whole image, to the last digits of float32.

    Args:
      model: the compiled level model.
      tiling: of the model (:func:`tiling_of`).
      size: (height, width) of the images, multiples of the stride.

    Raises:
      ValueError: if the receptive field leaves nothing of a tile.
    """
    cells = tuple(n // tiling.stride for n in size)
    most = LARGEST_SIDE // tiling.stride
    (height, down), (width, across) = (spans(n, most, tiling.reach) for n in cells)

    def around(name: str, level: int | None, call: Callable[..., Any], *arguments: Any) -> Any:
        layout = tiling.layouts[name, level]
        if not any(jax.tree.leaves(layout)):
            return call(*arguments)
        inputs, whole = tiling.arguments(name, level), None
        for rows, columns in product(down, across):
            window = (
                slice(rows.start, rows.start + height),
                slice(columns.start, columns.start + width),
            )
            part = call(
                *jax.tree.map(lambda leaf, k, w=window: _crop(leaf, k, w), arguments, inputs)
            )
            if whole is None:
                whole = jax.tree.map(lambda leaf, k: _empty(leaf, k, cells), part, layout)
            at = rows, columns
            jax.tree.map(lambda w, p, k, at=at: _paste(w, p, k, at), whole, part, layout)
        return whole

    return Intercepted(model, around)


def _crop(leaf: Any, k: int, window: tuple[slice, slice]) -> Any:
    """Return the part of an array inside a window; the whole array if it has one size (k = 0)."""
    if not k:
        return leaf
    return np.asarray(leaf)[tuple(slice(s.start * k, s.stop * k) for s in window)]


def _empty(part: Any, k: int, cells: tuple[int, ...]) -> np.ndarray:
    """Return the array that the parts of tiles are written to."""
    if not k:
        return np.array(part)
    return np.empty((cells[0] * k, cells[1] * k, part.shape[2]), part.dtype)


def _paste(whole: np.ndarray, part: Any, k: int, at: tuple[Span, Span]) -> None:
    """Write the exact part of a tile."""
    if k:
        place = tuple(slice(s.begin * k, s.end * k) for s in at)
        exact = tuple(slice((s.begin - s.start) * k, (s.end - s.start) * k) for s in at)
        whole[place] = np.asarray(part)[exact]
