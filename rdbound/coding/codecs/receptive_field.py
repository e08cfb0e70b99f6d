"""How far each side of a convolutional model sees.

It is not believed but measured, with the weights as they are: a cell of an image
(stride × stride pixels) is made not-a-number, and in another trial changed, and as far
away as an answer changes it was seen. That a place is answered alike wherever the image
begins is tried too. :mod:`rdbound.coding.codecs.tiling` rests on it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.models.base import LevelModel, level_model
from rdbound.objective.levels import walk

__all__ = ["SideKey", "Reach", "arguments_of", "at_cells", "measured"]

SideKey = tuple[str, int]
"""A side's name and its level, 0 for those that have none."""

_PROBES = (11, 23, 31)  # sides in cells of the images that reach is measured on
_Call = Callable[..., Any]


class Reach(NamedTuple):
    """What windows must know of a model, by (side, level).

    Attributes:
      cells: how far a side sees.
      layout: of the side's result: for each leaf its rows (and columns) a cell, 0 for
        a leaf that is the same for every size.
    """

    cells: dict[SideKey, int]
    layout: dict[SideKey, Any]


def _abstract(model: Any, rows: int, columns: int) -> dict[SideKey, Any]:
    """The shapes of all that the sides say of an image of so many cells, by (side, level)."""
    graphdef, params = nnx.split(model)

    def said_of(params, x, lmbda):
        of = level_model(nnx.merge(graphdef, params))
        return _ask_all(of, x, lmbda, lambda _, call, *arguments: call(*arguments))

    x = jax.ShapeDtypeStruct((rows * model.stride, columns * model.stride, 3), jnp.float32)
    return jax.eval_shape(said_of, params, x, jax.ShapeDtypeStruct((), jnp.float32))


@dataclass(frozen=True)
class _Asked:
    """Six sides; ``ask`` answers for each, given its key, and ``said`` keeps the answers."""

    of: LevelModel
    ask: Callable[..., Any]
    said: dict[SideKey, Any]

    def _tell(self, key: SideKey, call: _Call, *arguments: Any) -> Any:
        self.said[key] = self.ask(key, call, *arguments)
        return self.said[key]

    def infer(self, x: Any, lmbda: Any) -> Any:
        return self._tell(("infer", 0), lambda x: self.of.infer(x, lmbda), x)

    def start(self, lmbda: Any) -> Any:
        self.said["start", 0] = self.of.start(lmbda)
        return self.said["start", 0]

    def prior(self, level: int, state: Any) -> Any:
        return self._tell(("prior", level), partial(self.of.prior, level), state)

    def posterior(self, level: int, state: Any, variational: Any) -> Any:
        call = partial(self.of.posterior, level)
        return self._tell(("posterior", level), call, state, variational)

    def absorb(self, level: int, state: Any, latent: Any) -> Any:
        return self._tell(("absorb", level), partial(self.of.absorb, level), state, latent)

    def synthesize(self, state: Any) -> Any:
        return self._tell(("synthesize", 0), self.of.synthesize, state)


def _ask_all(of: LevelModel, x: Any, lmbda: Any, ask: Callable[..., Any]) -> dict[SideKey, Any]:
    """What every side says, by its key, where means are conveyed."""
    asked = _Asked(of, ask, {})
    variational = asked.infer(x, lmbda)

    def step(level, prior, state):
        return asked.posterior(level, state, variational[level]).mu, None

    asked.synthesize(walk(asked, lmbda, len(variational), step).state)
    return asked.said


def _rows_a_cell(small: Any, large: Any) -> int:
    """Rows a cell of a leaf, from its shapes at 2 × 3 and at 3 × 5 cells; 0 for none."""
    if small.shape == large.shape:
        return 0
    k = small.shape[0] // 2
    scaled = len(small.shape) == 3 and small.shape == (2 * k, 3 * k, small.shape[2])
    if not scaled or large.shape != (3 * k, 5 * k, small.shape[2]):
        raise ValueError(f"an array {small.shape} of the model does not scale with the image")
    return k


def measured(model: Any, of: LevelModel, largest: int) -> Reach:
    """How far each side of a model sees, with its present weights.

    Args:
      model: of images.
      of: its sides, compiled.
      largest: pixels of the side of a probe, at most.

    Raises ValueError for a model that sees a whole image at once, knows where on it it
    is, or has arrays that do not scale with it.
    """
    layout = jax.tree.map(_rows_a_cell, _abstract(model, 2, 3), _abstract(model, 3, 5))
    for side in _PROBES:
        if side * model.stride > largest:
            break
        probe = _Probe(layout, model.stride, side)
        x = np.random.default_rng(0).random((side * model.stride,) * 2 + (3,), np.float32)
        _ask_all(of, x, jnp.float32(model.lmbda_range[0]), probe)
        if max(probe.cells.values()) < side // 2:
            return Reach(probe.cells, layout)
    raise ValueError(
        f"the model sees more of an image at once than windows of {largest} pixels a side "
        f"can give it: images of more than {largest**2} pixels are too large for it"
    )


class _Probe:
    """Asks a side what it says, and what of it changes with the cell in the middle."""

    def __init__(self, layout: dict, stride: int, side: int):
        self.layout, self.stride, self.side = layout, stride, side
        self.cells: dict[SideKey, int] = {}

    def __call__(self, key: SideKey, call: _Call, *arguments: Any) -> Any:
        out = call(*arguments)
        inputs = arguments_of(self.layout, self.stride, *key)
        middle = slice(self.side // 2, self.side // 2 + 1)
        found = 0
        for value in (np.nan, 30.0):
            poison = lambda leaf, k, v=value: _changed(leaf, k, middle, v)  # noqa: E731
            other = call(*jax.tree.map(poison, arguments, inputs))
            seen = jax.tree.map(self._distance, out, other, self.layout[key])
            found = max([found, *jax.tree.leaves(seen)])
        self.cells[key] = found
        if found < self.side // 2:
            self._check_shift(call, arguments, inputs, out, self.layout[key], found)
        return out

    def _distance(self, out: Any, other: Any, k: int) -> int:
        """Cells between the middle and the farthest change of a leaf."""
        if not k:
            return 0 if np.array_equal(out, other) else self.side
        change = ~(np.asarray(out) == np.asarray(other)).all(-1)
        where = np.argwhere(change) // k - self.side // 2
        return int(np.abs(where).max()) if where.size else 0

    def _check_shift(self, call, arguments, inputs, out, layout, reach: int) -> None:
        """What a side says of a place is the same wherever the image begins, by whole cells."""
        crop = (slice(1, self.side), slice(2, self.side))
        shifted = call(*at_cells(arguments, inputs, *crop))
        inside = (slice(1 + reach, self.side), slice(2 + reach, self.side))

        def compare(whole, part, k):
            rows, columns = (slice(s.start * k, s.stop * k) for s in inside)
            a = np.asarray(whole)[rows, columns] if k else np.asarray(whole)
            b = np.asarray(part)[reach * k :, reach * k :] if k else np.asarray(part)
            scale = max(1.0, float(np.abs(a).max(initial=0.0)))
            if not np.allclose(a, b, rtol=0, atol=1e-3 * scale):
                raise ValueError("the model knows where on an image it is: windows are not for it")

        jax.tree.map(compare, out, shifted, layout)


def arguments_of(layout: dict[SideKey, Any], stride: int, side: str, level: int) -> tuple:
    """The layouts of a side's arguments, λ left out, from those of all results."""
    levels = sum(name == "prior" for name, _ in layout)
    before = levels if side == "synthesize" else level
    state = layout["absorb", before - 1] if before else layout["start", 0]
    if side == "infer":
        return (stride,)
    if side == "posterior":
        return (state, layout["infer", 0][level])
    if side == "absorb":
        return (state, layout["posterior", level].mu)
    return (state,)


def at_cells(tree: Any, layout: Any, rows: slice, columns: slice) -> Any:
    """Arrays at these cells of the image; those that are the same for every size whole."""

    def cut(leaf, k):
        if not k:
            return leaf
        return np.asarray(leaf)[tuple(slice(s.start * k, s.stop * k) for s in (rows, columns))]

    return jax.tree.map(cut, tree, layout)


def _changed(leaf: Any, k: int, middle: slice, value: float) -> Any:
    if not k:
        return leaf
    changed = np.array(leaf)
    changed[middle.start * k : middle.stop * k, middle.start * k : middle.stop * k] = value
    return changed
