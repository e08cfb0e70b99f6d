"""The coder of the Gaussian channel: relative entropy coding.

It conveys a sample of the posterior itself, in blocks of latents, by the indexes of
samples of the prior that encoder and decoder share (Flamich, Havasi & Hernández-Lobato 2020).
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

_SIZES = 13  # sizes of blocks: 4 to 2^14 latents, by powers of two
_SMALLEST = 2
_MOST_STEPS = 4096
_STEPS_A_LATENT = 16
_BITS = 10
_APART = 1 << 30
_AT_ONCE = 1 << 21  # numbers drawn at a time


class RelativeEntropyCoder(SeededCoder):
    """A sample of N(μ, σ²) by indexes of shared samples of the prior.

    The latents of a level are shuffled and cut into blocks of one size, the power of two (at
    least four) whose KL divergence is nearest to ``block`` nats on average; a block is conveyed in
    as many steps as it has ``nats`` of divergence, each by an index. The stream of a level has
    the size, the law by which the variance is shared among steps, the number of steps of each
    block and the indexes: with equal probabilities, or by Zipf's law if
    the rule makes small ones likelier. A block without steps costs no index.

    Args:
      tables: not used.
      seed: seed of the samples. Two data coded with one seed have the same samples.
      rule: rule by which the encoder chooses, see :mod:`rdbound.coding.coders.rec.samplers`.
      nats: KL divergence of a step.
      bits: bits of an index: a step has 2^bits samples. More samples bring the conveyed value
        nearer to a sample of the posterior, and cost time in proportion. The rule ``exact`` does
        not use them.
      beams: number of beams of the rule ``beam``.
      block: KL divergence of a block, nats.
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
        """The seed and the law of the indexes, if they are not the defaults."""
        bits = {"bits": self._rule.bits} if self._rule.bits != _BITS else {}
        return super().parameters | (
            {"rule": "ordered"} if self._zipf else bits  # a decoder needs the law, not the rule
        )

    @property
    def _zipf(self) -> bool:
        """Whether indexes are written by Zipf's law."""
        return self._rule.name in ("ordered", "exact")

    def write(self, level: int, posterior: Any, prior: Any, stream: Writer) -> np.ndarray:
        """Write a latent and return nearly a sample of the posterior; see :meth:`Coder.write`.

        Raises:
          ValueError: if prior or posterior is not Gaussian, a latent is not finite, its KL
            divergence is too large for the options, or a search by the rule ``exact`` does not end.
        """
        tilt = _tilt(posterior, prior)
        nats = np.asarray(divergence_of(tilt), np.float64)
        if not np.isfinite(nats).all():
            raise ValueError("a latent is not finite: the model cannot code this")
        size = _size(nats, self._block)
        layout = _Layout(self._order(level, nats.size), size, fitted_ratio(tilt))
        divergences = layout.cut(nats).sum(1)
        steps = np.ceil(divergences / self._nats).astype(np.int64)
        if _too_many(steps, size, nats.size):
            raise ValueError(
                f"level {level}: the KL divergence of its latents is too large for steps of "
                f"{self._nats:g} nats; give the coder more nats and bits, or take the coder "
                "'layered'"
            )
        key = level_key(self.seed, level)
        chosen = self._choose(level, layout, tilt, divergences, steps, key)
        stream.integer(size.bit_length() - 1 - _SMALLEST, _SIZES)
        stream.integer(layout.ratio, len(RATIOS))
        write_clustered(stream, steps, _MOST_STEPS)
        self._write_indexes(stream, chosen[_used(chosen, steps)].astype(np.int64))
        return _latent(layout, steps, chosen, key, prior, nats.shape)

    def read(self, level: int, prior: Any, shape: tuple[int, ...], stream: Reader) -> np.ndarray:
        """Read one latent; see :meth:`Coder.read`.

        Raises:
          UnreadableError: if there are more steps than any writer takes.
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
        """Return the shuffle of a level's latents, the same on every machine."""
        return np.argsort(shared_integers(self.seed, level, count), kind="stable")

    def _choose(
        self,
        level: int,
        layout: "_Layout",
        tilt: Tilt,
        divergences: np.ndarray,
        steps: np.ndarray,
        key: Key,
    ) -> np.ndarray:
        """Return the indexes of blocks of these KL divergences, uint32 [blocks, most steps]."""
        excess, pull = (layout.cut(np.asarray(x)) for x in tilt)
        # A key of the encoder alone, which no samples have.
        noise = jax.random.fold_in(jax.random.key(self.seed & 0xFFFFFFFF), level + _APART)
        # A search without a last sample goes on until the hardest of its part has ended.
        exact = self._rule.name == "exact"
        at_once = _AT_ONCE >> 12 if exact else _AT_ONCE >> self._rule.bits
        chosen = np.zeros((layout.blocks, max(1, steps.max())), np.uint32)
        for part in layout.parts(steps, at_once, divergences, with_steps=True):
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
    """Blocks that are computed together: their places [B], and their steps."""

    place: np.ndarray
    blocks: Blocks


@dataclass(frozen=True)
class _Layout:
    """The latents of a level in blocks.

    Attributes:
      order: shuffle of the latents, [n].
      size: latents of a block.
      ratio: index of the law by which variance is shared among steps.
    """

    order: np.ndarray
    size: int
    ratio: int

    @property
    def blocks(self) -> int:
        """The number of blocks; the last is filled up."""
        return -(-len(self.order) // self.size)

    def cut(self, values: np.ndarray) -> np.ndarray:
        """Return values of any shape as blocks [blocks, size], shuffled and padded with zeros."""
        padded = np.zeros(self.blocks * self.size, values.dtype)
        padded[: len(self.order)] = values.ravel()[self.order]
        return padded.reshape(self.blocks, self.size)

    def join(self, blocks: np.ndarray) -> np.ndarray:
        """Return the values of blocks in the order before :meth:`cut`, [n]."""
        values = np.empty(len(self.order), blocks.dtype)
        values[self.order] = blocks.ravel()[: len(self.order)]
        return values

    def parts(
        self, steps: np.ndarray, latents: int, effort: np.ndarray, with_steps: bool = False
    ) -> Iterator[_Part]:
        """Yield the blocks in parts of ``latents`` latents, those of similar ``effort`` together.

        All parts have the same shapes, so that one program serves them: the last repeats blocks.
        """
        table = _schedules(float(RATIOS[self.ratio]), max(1, int(steps.max())))
        at_once = max(1, min(latents // self.size, 8 * _AT_ONCE // table.shape[1]))
        at_once = min(at_once, 1 << (self.blocks - 1).bit_length())
        order = np.argsort(-effort, kind="stable")
        order = order[steps[order] > 0] if with_steps else order
        for start in range(0, len(order), at_once):
            place = np.resize(order[start : start + at_once], at_once)
            number, count = jnp.asarray(place, jnp.uint32), jnp.asarray(steps[place], jnp.int32)
            yield _Part(place, Blocks(number, count, jnp.asarray(table[steps[place]])))


def _schedules(log_ratio: float, most: int) -> np.ndarray:
    """Return V of blocks of 0 to ``most`` steps, float32 [most + 1, K + 1], K a power of two."""
    table = np.ones((most + 1, (1 << (most - 1).bit_length()) + 1), np.float32)
    for steps in range(most + 1):
        V = variances(log_ratio, max(1, steps))
        table[steps, : len(V)] = V
    return table


def _size(nats: np.ndarray, block: float) -> int:
    """Return the size of blocks that have ``block`` nats on average, a power of two."""
    wanted = np.rint(np.log2(max(block * nats.size / max(nats.sum(), 1e-9), 1.0)))
    holds_all = (nats.size - 1).bit_length()
    largest = max(_SMALLEST, min(holds_all, _SMALLEST + _SIZES - 1))
    return 1 << int(np.clip(wanted, _SMALLEST, largest))


def _too_many(steps: np.ndarray, size: int, count: int) -> bool:
    """Return whether no writer takes these steps: they bound the memory of a reader."""
    most = min(_MOST_STEPS - 1, 4 * _STEPS_A_LATENT * size)
    return bool(steps.max() > most or steps.sum() > _STEPS_A_LATENT * count)


def _used(chosen: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return which of the indexes [blocks, most steps] are written."""
    return np.arange(chosen.shape[1]) < steps[:, None]


def _latent(
    layout: _Layout,
    steps: np.ndarray,
    chosen: np.ndarray,
    key: Key,
    prior: Gaussian,
    shape: tuple[int, ...],
) -> np.ndarray:
    """Return the latent of the indexes, float32, for encoder and decoder alike."""
    found = np.empty((layout.blocks, layout.size), np.float32)
    for part in layout.parts(steps, _AT_ONCE, steps):
        K = part.blocks.variances.shape[1] - 1
        index = np.pad(chosen[part.place], ((0, 0), (0, K - chosen.shape[1])))
        found[part.place] = sums(part.blocks, jnp.asarray(index), key, layout.size)
    standard = layout.join(found).reshape(shape)
    log_sigma = np.clip(np.asarray(prior.log_sigma), -LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)
    return np.asarray(prior.mu) + np.exp(log_sigma) * standard


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
