"""The coder of the Gaussian channel: relative entropy coding.

A sample of the posterior itself is conveyed, blocks of latents at a time, by the indexes of
samples of the prior that both sides share (Flamich, Havasi & Hernández-Lobato 2020).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field, SkipValidation, validate_call

from rdbound.coding.coders.rec.samplers import Blocks, Rule, RuleName, choose, sums
from rdbound.coding.coders.seeded import SeededCoder
from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.coding.entropy.integer_codes import (
    read_clustered,
    read_zipf,
    write_clustered,
    write_zipf,
)
from rdbound.coding.entropy.range_coder import Reader, UnreadableError, Writer
from rdbound.coding.entropy.shared_randomness import Key, level_key, shared_integers
from rdbound.ops.distributions import Gaussian
from rdbound.ops.gaussian import LOG_SCALE_LIMIT
from rdbound.ops.gaussian_ratio import RATIOS, Tilt, divergence_of, fitted_ratio, variances
from rdbound.utils.registry import OPTIONS

__all__ = ["RelativeEntropyCoder"]

_SIZES = 13  # of blocks: 4 to 2^14 latents, by powers of two
_SMALLEST = 2
_MOST_STEPS = 4096
_STEPS_A_LATENT = 16
_BITS = 10
_APART = 1 << 30
_AT_ONCE = 1 << 21  # numbers drawn at a time


class RelativeEntropyCoder(SeededCoder):
    """A sample of N(μ, σ²) by indexes of shared samples of the prior.

    The latents of a level are shuffled and cut into blocks of one size, the power of two (at
    least four) whose divergence is nearest to ``block`` nats on average; a block is told in as
    many steps as it has ``nats`` of divergence, each by an index. Of a level are written
    the size, one number that says how the variance is shared among steps, the steps of each
    block and the indexes: alike where one is as likely as another, by Zipf's law where
    the rule makes small ones likelier. A block that needs no step costs no index.

    Args:
      tables: not used.
      seed: of the samples. Two data coded with one seed have the same.
      rule: how the encoder chooses, see :mod:`rdbound.coding.coders.rec.samplers`.
      nats: of divergence that a step is to tell.
      bits: of an index: at each step there are 2^bits samples. More bring what is conveyed
        nearer to a sample of the posterior, and cost time in proportion. Without meaning to
        the rule ``exact``.
      beams: kept by the rule ``beam``.
      block: of divergence that a block is to have, nats.

    Raises ValueError for an option out of range.
    """

    name = "rec"
    code = 3
    channel = "gaussian"
    form = "bound"

    @validate_call(config=OPTIONS)
    def __init__(
        self,
        tables: SkipValidation[Tables],
        seed: int = 0,
        rule: RuleName = "beam",
        nats: Annotated[float, Field(ge=0.1, le=20)] = 6.6,
        bits: Annotated[int, Field(ge=1, le=14)] = _BITS,
        beams: Annotated[int, Field(ge=1, le=256)] = 16,
        block: Annotated[float, Field(ge=0.1, le=10_000)] = 100.0,
    ):
        super().__init__(tables, seed=seed)
        self._rule = Rule(rule, bits, beams)
        self._nats, self._block = nats, block

    @property
    def parameters(self) -> dict[str, Any]:
        """The seed; of the rule, what an index is written by; where they are not the defaults."""
        bits = {"bits": self._rule.bits} if self._rule.bits != _BITS else {}
        return super().parameters | (
            {"rule": "ordered"} if self._zipf else bits  # any rule of its law serves a decoder
        )

    @property
    def _zipf(self) -> bool:
        """Whether small indexes are likelier."""
        return self._rule.name in ("ordered", "exact")

    def write(self, level: int, posterior: Any, prior: Any, stream: Writer) -> np.ndarray:
        """See :meth:`Coder.write`; what is returned is a sample of the posterior, nearly.

        Args: as there. Raises ValueError for a prior or posterior that is not Gaussian,
        a latent that is not finite, one that says too much for the options, and by the rule
        ``exact`` for a block whose search does not end.
        """
        tilt = _tilt(posterior, prior)
        nats = np.asarray(divergence_of(tilt), np.float64)
        if not np.isfinite(nats).all():
            raise ValueError("a latent is not finite: the model cannot code this")
        size = _size(nats, self._block)
        layout = _Layout(self._order(level, nats.size), size, fitted_ratio(tilt))
        told = layout.cut(nats).sum(1)
        steps = np.ceil(told / self._nats).astype(np.int64)
        if _too_many(steps, size, nats.size):
            raise ValueError(
                f"level {level}: its latents say too much to be told {self._nats:g} nats at a "
                "time; give the coder more nats and bits, or take the coder 'layered'"
            )
        key = level_key(self.seed, level)
        chosen = self._choose(level, layout, tilt, told, steps, key)
        stream.integer(size.bit_length() - 1 - _SMALLEST, _SIZES)
        stream.integer(layout.ratio, len(RATIOS))
        write_clustered(stream, steps, _MOST_STEPS)
        self._write_indexes(stream, chosen[_used(chosen, steps)].astype(np.int64))
        return _latent(layout, steps, chosen, key, prior, nats.shape)

    def read(self, level: int, prior: Any, shape: tuple[int, ...], stream: Reader) -> np.ndarray:
        """See :meth:`Coder.read`.

        Args: as there. Raises :class:`rdbound.coding.entropy.range_coder.UnreadableError` for
        numbers of steps that no writer writes.
        """
        count = int(np.prod(shape))
        size = 1 << (stream.integer(_SIZES) + _SMALLEST)
        layout = _Layout(self._order(level, count), size, stream.integer(len(RATIOS)))
        steps = read_clustered(stream, layout.blocks, _MOST_STEPS)
        if _too_many(steps, size, count):
            raise UnreadableError("more steps than any writer takes")
        chosen = np.zeros((layout.blocks, max(1, steps.max())), np.uint32)
        used = _used(chosen, steps)
        chosen[used] = self._read_indexes(stream, int(used.sum()))
        key = level_key(self.seed, level)
        return _latent(layout, steps, chosen, key, prior, shape)

    def _order(self, level: int, count: int) -> np.ndarray:
        """The shuffle of a level's latents: the same on every machine."""
        return np.argsort(shared_integers(self.seed, level, count), kind="stable")

    def _choose(
        self,
        level: int,
        layout: "_Layout",
        tilt: Tilt,
        told: np.ndarray,
        steps: np.ndarray,
        key: Key,
    ) -> np.ndarray:
        """The indexes, uint32 [blocks, most steps], of blocks of ``told`` nats."""
        excess, pull = (layout.cut(np.asarray(x)) for x in tilt)
        # Of the encoder alone, and of no key that samples have.
        noise = jax.random.fold_in(jax.random.key(self.seed & 0xFFFFFFFF), level + _APART)
        # A search without a last sample goes on until the hardest of its part has ended.
        exact = self._rule.name == "exact"
        at_once = _AT_ONCE >> 12 if exact else _AT_ONCE >> self._rule.bits
        chosen = np.zeros((layout.blocks, max(1, steps.max())), np.uint32)
        for part in layout.parts(steps, at_once, told, told_only=True):
            of = Tilt(*(jnp.asarray(x[part.place]) for x in (excess, pull)))
            found, ended = choose(of, part.blocks, key, noise, self._rule)
            if not ended.all():
                raise ValueError(
                    f"level {level}: the rule 'exact' finds no sample of a block in 2^20; give "
                    "smaller nats or block, or the rule 'ordered'"
                )
            chosen[part.place] = found[:, : chosen.shape[1]]
        return chosen

    def _write_indexes(self, stream: Writer, indexes: np.ndarray) -> None:
        if self._zipf:
            write_zipf(stream, indexes)
        else:
            stream.integers(indexes, 1 << self._rule.bits)

    def _read_indexes(self, stream: Reader, count: int) -> np.ndarray:
        if self._zipf:
            return read_zipf(stream, count)
        return stream.integers(count, 1 << self._rule.bits)


@dataclass(frozen=True)
class _Part:
    """Some blocks that are computed together: their places [B], and how they are told."""

    place: np.ndarray
    blocks: Blocks


@dataclass(frozen=True)
class _Layout:
    """The latents of a level in blocks.

    Attributes:
      order: the shuffle, [n].
      size: of a block.
      ratio: the number of the law by which variance is shared among steps.
    """

    order: np.ndarray
    size: int
    ratio: int

    @property
    def blocks(self) -> int:
        """How many there are; the last is filled up."""
        return -(-len(self.order) // self.size)

    def cut(self, values: np.ndarray) -> np.ndarray:
        """Values of any shape → [blocks, size], shuffled; zeros where there is no latent."""
        padded = np.zeros(self.blocks * self.size, values.dtype)
        padded[: len(self.order)] = values.ravel()[self.order]
        return padded.reshape(self.blocks, self.size)

    def join(self, blocks: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`cut`, [n]."""
        values = np.empty(len(self.order), blocks.dtype)
        values[self.order] = blocks.ravel()[: len(self.order)]
        return values

    def parts(
        self, steps: np.ndarray, latents: int, effort: np.ndarray, told_only: bool = False
    ) -> Iterator[_Part]:
        """The blocks in parts of ``latents`` latents and of alike ``effort``.

        All have the same shapes, so that one program serves them: the last part repeats blocks.
        """
        table = _schedules(float(RATIOS[self.ratio]), max(1, int(steps.max())))
        at_once = max(1, min(latents // self.size, 8 * _AT_ONCE // table.shape[1]))
        at_once = min(at_once, 1 << (self.blocks - 1).bit_length())
        order = np.argsort(-effort, kind="stable")
        order = order[steps[order] > 0] if told_only else order
        for start in range(0, len(order), at_once):
            place = np.resize(order[start : start + at_once], at_once)
            number, count = jnp.asarray(place, jnp.uint32), jnp.asarray(steps[place], jnp.int32)
            yield _Part(place, Blocks(number, count, jnp.asarray(table[steps[place]])))


def _schedules(log_ratio: float, most: int) -> np.ndarray:
    """V of blocks of 0 to ``most`` steps, float32 [most + 1, K + 1], K a power of two."""
    table = np.ones((most + 1, (1 << (most - 1).bit_length()) + 1), np.float32)
    for steps in range(most + 1):
        V = variances(log_ratio, max(1, steps))
        table[steps, : len(V)] = V
    return table


def _size(nats: np.ndarray, block: float) -> int:
    """Of a block, so that it has ``block`` nats on average: a power of two."""
    wanted = np.rint(np.log2(max(block * nats.size / max(nats.sum(), 1e-9), 1.0)))
    holds_all = (nats.size - 1).bit_length()
    largest = max(_SMALLEST, min(holds_all, _SMALLEST + _SIZES - 1))
    return 1 << int(np.clip(wanted, _SMALLEST, largest))


def _too_many(steps: np.ndarray, size: int, count: int) -> bool:
    """Whether no writer takes these steps: memory grows with blocks times the most of them."""
    most = min(_MOST_STEPS - 1, 4 * _STEPS_A_LATENT * size)
    return bool(steps.max() > most or steps.sum() > _STEPS_A_LATENT * count)


def _used(chosen: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Which of the indexes [blocks, most steps] are written."""
    return np.arange(chosen.shape[1]) < steps[:, None]


def _latent(
    layout: _Layout,
    steps: np.ndarray,
    chosen: np.ndarray,
    key: Key,
    prior: Gaussian,
    shape: tuple[int, ...],
) -> np.ndarray:
    """What the indexes say, float32: the one way to it, for encoder and decoder."""
    found = np.empty((layout.blocks, layout.size), np.float32)
    for part in layout.parts(steps, _AT_ONCE, steps):
        K = part.blocks.variances.shape[1] - 1
        index = np.pad(chosen[part.place], ((0, 0), (0, K - chosen.shape[1])))
        found[part.place] = sums(part.blocks, jnp.asarray(index), key, layout.size)
    told = layout.join(found).reshape(shape)
    log_sigma = np.clip(np.asarray(prior.log_sigma), -LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)
    return np.asarray(prior.mu) + np.exp(log_sigma) * told


def _tilt(posterior: Any, prior: Any) -> Tilt:
    for role, of in (("prior", prior), ("posterior", posterior)):
        if not isinstance(of, Gaussian):
            raise ValueError(
                f"relative entropy coding needs a Gaussian {role}, not {type(of).__name__}: "
                "the uniform channel (coder 'dithered') serves a codec"
            )
    tilt = Tilt.between(posterior, prior)
    shape = np.shape(posterior.mu)
    return Tilt(*(jnp.broadcast_to(x, shape) for x in tilt))
