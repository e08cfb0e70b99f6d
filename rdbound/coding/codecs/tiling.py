"""A large image by overlapping windows: memory that does not grow with the image.

    large = Windows(model, CompiledModel(model))
    of = large.sides(height, width)  # the six sides of an image of this size
    of.infer(x, lmbda)  # as the whole image would give, to the last digits of float32

What a convolutional side says of a place depends on its surroundings only so far
(:mod:`rdbound.coding.codecs.receptive_field`). A window gives what lies that far from its edges,
and all of it at the edges of the image, where the model's own padding is the same. Latents and
states are
whole: only what is between them, some hundred bytes a pixel, is computed in parts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import jax
import numpy as np

from rdbound.coding.codecs.receptive_field import Reach, arguments_of, at_cells, measured
from rdbound.models.base import LevelModel

__all__ = ["LARGEST_SIDE", "Span", "Windows", "is_large", "spans"]

LARGEST_SIDE = 2048
"""Pixels of a window's side. An image of no more pixels than such a window is whole."""


def is_large(height: int, width: int) -> bool:
    """Whether an image is computed by windows."""
    return height * width > LARGEST_SIDE**2


class Span(NamedTuple):
    """A window along one axis, in cells: it starts at ``start``, [``begin``, ``end``) is used."""

    start: int
    begin: int
    end: int


def spans(cells: int, most: int, reach: int) -> tuple[int, list[Span]]:
    """(the common length, windows) that cover ``cells``, each used where it is exact.

    A place is exact that is ``reach`` cells or more from an edge of its window, or where that
    edge is the image's. Lengths are multiples of four cells where possible, so that
    images of many sizes share few programs.

    Raises ValueError where ``reach`` leaves nothing of a window of ``most`` cells.
    """
    if cells <= most:
        return cells, [Span(0, 0, cells)]
    inner = most - 2 * reach
    if inner < 1:
        raise ValueError(f"the model sees {reach} cells far, too far for windows of {most}")
    count = -(-(cells - 2 * reach) // inner)
    least = -(-(cells - 2 * reach) // count) + 2 * reach
    length = min(-(-least // 4) * 4, most)
    starts = [min(i * (length - 2 * reach), cells - length) for i in range(count)]
    ends = [*(start + length - reach for start in starts[:-1]), cells]
    return length, [Span(*s) for s in zip(starts, [0, *ends[:-1]], ends, strict=True)]


@dataclass(frozen=True)
class _Windowed:
    """Six sides of one image of (rows, columns) cells, computed by windows."""

    of: LevelModel
    reach: Reach
    stride: int
    rows: int
    columns: int

    def infer(self, x: Any, lmbda: Any) -> Any:
        return self._by_windows("infer", 0, lambda x: self.of.infer(x, lmbda), x)

    def start(self, lmbda: Any) -> Any:
        return self.of.start(lmbda)

    def prior(self, level: int, state: Any) -> Any:
        return self._by_windows("prior", level, lambda s: self.of.prior(level, s), state)

    def posterior(self, level: int, state: Any, variational: Any) -> Any:
        call = lambda s, e: self.of.posterior(level, s, e)  # noqa: E731
        return self._by_windows("posterior", level, call, state, variational)

    def absorb(self, level: int, state: Any, latent: Any) -> Any:
        call = lambda s, z: self.of.absorb(level, s, z)  # noqa: E731
        return self._by_windows("absorb", level, call, state, latent)

    def synthesize(self, state: Any) -> Any:
        return self._by_windows("synthesize", 0, self.of.synthesize, state)

    def _by_windows(self, side: str, level: int, call: Callable[..., Any], *arguments: Any) -> Any:
        layout, reach = self.reach.layout[side, level], self.reach.cells[side, level]
        if not any(jax.tree.leaves(layout)):
            return call(*arguments)
        inputs = arguments_of(self.reach.layout, self.stride, side, level)
        most = LARGEST_SIDE // self.stride
        height, down = spans(self.rows, most, reach)
        width, across = spans(self.columns, most, reach)
        whole: Any = None
        for at in product(down, across):
            seen = [slice(s.start, s.start + n) for s, n in zip(at, (height, width), strict=True)]
            part = call(*at_cells(arguments, inputs, *seen))
            if whole is None:
                whole = jax.tree.map(self._empty, part, layout)
            jax.tree.map(lambda w, p, k, at=at: _paste(w, p, k, at), whole, part, layout)
        return whole

    def _empty(self, part: Any, k: int) -> np.ndarray:
        if not k:
            return np.array(part)
        return np.empty((self.rows * k, self.columns * k, part.shape[2]), part.dtype)


def _paste(whole: np.ndarray, part: Any, k: int, at: tuple[Span, Span]) -> None:
    if k:
        (r, c) = (slice(s.begin * k, s.end * k) for s in at)
        own = tuple(slice((s.begin - s.start) * k, (s.end - s.start) * k) for s in at)
        whole[r, c] = np.asarray(part)[own]


class Windows:
    """The sides of one model for images of any size, by windows where they are large.

    Args:
      model: of images.
      of: its sides, compiled.
    """

    def __init__(self, model: Any, of: LevelModel):
        self._model, self._of = model, of
        self._reach: Reach | None = None

    def sides(self, height: int, width: int) -> LevelModel:
        """The six sides for a padded image of this size.

        How far the model sees is measured when the first large image comes. Raises
        ValueError as :func:`measured`.
        """
        if not is_large(height, width):
            return self._of
        if self._reach is None:
            self._reach = measured(self._model, self._of, LARGEST_SIDE)
        stride = self._model.stride
        return _Windowed(self._of, self._reach, stride, height // stride, width // stride)
