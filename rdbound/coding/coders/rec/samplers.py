"""The encoder's search among shared samples in relative entropy coding.

Blocks of latents are conveyed in steps (:mod:`rdbound.ops.gaussian_ratio`); at each, one of
the samples of the prior that encoder and decoder share is chosen, and its index written:

    beam      the likeliest under posterior over prior, the best few kept after every step
              (Flamich et al. 2020: iREC)
    minimal   one of 2^bits, with probability in proportion to posterior over prior
              (Havasi et al. 2019: importance sampling)
    ordered   as minimal, and the samples' places in an exponential race sorted, so that small
              indexes are likelier (Theis & Yosri 2022)
    exact     the first of a Poisson process of unlimited samples: the step is distributed as
              the posterior (Li & El Gamal 2018; Maddison 2016: A* sampling)

The samples of the other rules are biased. The decoder need not know the rule.
"""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rdbound.coding.entropy.shared_randomness import LARGEST_NORMAL, Key, shared_normals
from rdbound.ops.gaussian_ratio import Tilt

__all__ = ["Blocks", "Rule", "RuleName", "choose", "noise_of", "sums"]

RuleName = Literal["beam", "minimal", "ordered", "exact"]

_BATCH = 256  # samples drawn at once by the rule ``exact``
_MOST = 1 << 20  # samples after which it gives up


class Rule(NamedTuple):
    """A rule by which samples are chosen.

    Attributes:
      name: how samples are chosen.
      bits: log₂ of the number of samples at each step; ``exact`` does not use it.
      beams: number of candidates that ``beam`` keeps after each step.
    """

    name: RuleName
    bits: int
    beams: int

    @property
    def width(self) -> int:
        """The number of candidates after each step."""
        return self.beams if self.name == "beam" else 1


class Blocks(NamedTuple):
    """Blocks of one size and their steps.

    Attributes:
      number: numbers of the blocks in their level, uint32 [B].
      steps: numbers of steps, int32 [B]; a block without steps has the first sample.
      variances: V₀ = 0 … 1, one from a block's last step on, float32 [B, K + 1].
    """

    number: jax.Array
    steps: jax.Array
    variances: jax.Array

    def samples(self, key: Key, step: jax.Array, index: jax.Array, size: int) -> jax.Array:
        """Return the step's samples at ``index`` uint32 [B, J], [B, J, size]."""
        V = self.variances
        width = jnp.sqrt(jnp.take(V, step + 1, axis=1) - jnp.take(V, step, axis=1))
        drawn = shared_normals(key, self.number[:, None], step, index, size)
        return width[:, None, None] * drawn

    def active(self, step: jax.Array) -> jax.Array:
        """Return whether a block has the step, bool [B]: all have a first one."""
        return step < jnp.maximum(self.steps, 1)


class _Kept(NamedTuple):
    """The candidates of each block: the sums so far [B, M, d], their indexes [B, M, K]."""

    totals: jax.Array
    chosen: jax.Array


@partial(jax.jit, static_argnames="size")
def sums(blocks: Blocks, chosen: jax.Array, key: Key, size: int) -> jax.Array:
    """Return the sums of the chosen samples, in units of the prior, float32 [B, size].

    Args:
      blocks: blocks and their steps.
      chosen: indexes, uint32 [B, K]; those beyond a block's steps are not used.
      key: key of the level's samples.
      size: latents of a block.
    """

    def add(step, total):
        index = jnp.take(chosen, step, axis=1)[:, None]
        sample = blocks.samples(key, step, index, size)[:, 0]
        return jnp.where(blocks.active(step)[:, None], total + sample, total)

    zero = jnp.zeros((len(chosen), size), jnp.float32)
    return jax.lax.fori_loop(0, jnp.maximum(jnp.max(blocks.steps), 1), add, zero)


def choose(
    tilt: Tilt, blocks: Blocks, key: Key, noise: jax.Array, rule: Rule
) -> tuple[np.ndarray, np.ndarray]:
    """Return the indexes, uint32 [B, K], and whether each block's search ended, bool [B].

    Args:
      tilt: posterior over prior, [B, d].
      blocks: blocks and their steps.
      key: key of the level's samples.
      noise: PRNG key of the encoder alone.
      rule: rule of the choice. The search of ``exact`` is given up after 2²⁰ samples.
    """
    search = _search_exact if rule.name == "exact" else _search
    chosen, ended = search(tilt, blocks, key, noise, rule)
    return np.asarray(chosen), np.asarray(ended)


@partial(jax.jit, static_argnames="rule")
def _search(
    tilt: Tilt, blocks: Blocks, key: Key, noise: jax.Array, rule: Rule
) -> tuple[jax.Array, jax.Array]:
    B, size = tilt.pull.shape
    M, J, K = rule.width, 1 << rule.bits, blocks.variances.shape[1] - 1
    index = jnp.broadcast_to(jnp.arange(J, dtype=jnp.uint32), (B, J))
    row = jnp.arange(B)[:, None]
    only_first = jnp.where(jnp.arange(J) > 0, -jnp.inf, 0.0)
    free = jnp.where((blocks.steps == 0)[:, None], only_first, 0.0)[:, None]
    one_beam = jnp.where(jnp.arange(M) > 0, -jnp.inf, 0.0)[None, :, None]

    def advance(step, kept):
        samples = blocks.samples(key, step, index, size)
        scores = _scores(tilt, blocks, step, kept.totals, samples)
        scores = scores + noise_of(rule, noise, blocks, step)[:, None] + free
        scores = scores + jnp.where(step == 0, one_beam, 0.0)
        best = jax.lax.top_k(scores.reshape(B, M * J), M)[1]
        beam, place = best // J, best % J
        chosen = kept.chosen[row, beam].at[:, :, step].set(place.astype(jnp.uint32))
        new = _Kept(kept.totals[row, beam] + samples[row, place], chosen)
        going = blocks.active(step)[:, None, None]
        return jax.tree.map(lambda a, b: jnp.where(going, a, b), new, kept)

    start = _Kept(jnp.zeros((B, M, size)), jnp.zeros((B, M, K), jnp.uint32))
    last = jnp.maximum(jnp.max(blocks.steps), 1)
    kept = jax.lax.fori_loop(0, last, advance, start)
    return kept.chosen[:, 0], jnp.ones(B, bool)


def _scores(
    tilt: Tilt, blocks: Blocks, step: jax.Array, totals: jax.Array, samples: jax.Array
) -> jax.Array:
    """Return ln of posterior over prior of each beam with each sample, up to a constant, [B, M, J].

    The step adds a linear and a square term (:meth:`Tilt.linear`), so that one product of
    matrices serves all pairs.
    """
    rest = 1.0 - jnp.take(blocks.variances, step + 1, axis=1)[:, None, None]
    of = Tilt(tilt.excess[:, None], tilt.pull[:, None])
    slope, curve = of.linear(totals, rest)
    before = jnp.sum(of.log_ratio(totals, rest), axis=-1)
    high = jax.lax.Precision.HIGHEST
    linear = jnp.einsum("bmd,bjd->bmj", slope, samples, precision=high)
    square = jnp.einsum("bd,bjd->bj", curve[:, 0], samples * samples, precision=high)
    return before[:, :, None] + linear - 0.5 * square[:, None]


def noise_of(rule: Rule, noise: jax.Array, blocks: Blocks, step: jax.Array) -> jax.Array:
    """Return the noise on the log-weights before the largest is taken, [B, J]."""
    J = 1 << rule.bits
    if rule.name == "beam":
        return jnp.zeros((len(blocks.number), J))
    keys = _step_keys(noise, blocks, step)
    if rule.name == "minimal":
        return jax.vmap(lambda k: jax.random.gumbel(k, (J,)))(keys)
    # The places in a race of J exponentials, the first first: −ln of them are Gumbel, sorted.
    gaps = jax.vmap(lambda k: jax.random.exponential(k, (J,)))(keys)
    return -jnp.log(jnp.cumsum(gaps / (J - jnp.arange(J)), axis=1))


def _step_keys(noise: jax.Array, blocks: Blocks, step: jax.Array) -> jax.Array:
    """Return a key of each block at a step, [B], whatever other blocks are searched with it."""
    at = jax.random.fold_in(noise, step)
    return jax.vmap(lambda number: jax.random.fold_in(at, number))(blocks.number)


class _Race(NamedTuple):
    """The search of one step of all blocks: the time and the best so far of each, [B]."""

    seen: jax.Array
    time: jax.Array
    best: jax.Array
    winner: jax.Array
    ended: jax.Array


@partial(jax.jit, static_argnames="rule")
def _search_exact(
    tilt: Tilt, blocks: Blocks, key: Key, noise: jax.Array, rule: Rule
) -> tuple[jax.Array, jax.Array]:
    B, size = tilt.pull.shape
    K = blocks.variances.shape[1] - 1

    def advance(step, carry):
        total, chosen, ended = carry
        race = _race(tilt, blocks, key, noise, step, total)
        sample = blocks.samples(key, step, race.winner[:, None], size)[:, 0]
        going = blocks.active(step)
        total = jnp.where(going[:, None], total + sample, total)
        return total, chosen.at[:, step].set(race.winner), ended & (race.ended | ~going)

    start = jnp.zeros((B, size)), jnp.zeros((B, K), jnp.uint32), jnp.ones(B, bool)
    last = jnp.maximum(jnp.max(blocks.steps), 1)
    _, chosen, ended = jax.lax.fori_loop(0, last, advance, start)
    return chosen, ended


def _race(
    tilt: Tilt, blocks: Blocks, key: Key, noise: jax.Array, step: jax.Array, total: jax.Array
) -> _Race:
    """Return the first of a Poisson process whose times are divided by posterior over prior.

    A sample that comes at the time T and has the ratio w wins with the least T/w; none can
    that comes after the largest ratio there may be, times the least so far.
    """
    B, size = tilt.pull.shape
    keys = _step_keys(noise, blocks, step)
    largest = _largest(tilt, blocks, step, total)

    def look(race):
        index = race.seen + jnp.arange(_BATCH, dtype=jnp.uint32)[None]
        index = jnp.broadcast_to(index, (B, _BATCH))
        now = jax.vmap(lambda k: jax.random.fold_in(k, race.seen))(keys)
        gaps = jax.vmap(lambda k: jax.random.exponential(k, (_BATCH,)))(now)
        times = race.time[:, None] + jnp.cumsum(gaps, axis=1)
        samples = blocks.samples(key, step, index, size)
        ratios = _scores(tilt, blocks, step, total[:, None], samples)[:, 0]
        values = jnp.log(times) - ratios
        place = jnp.argmin(values, axis=1)
        value = jnp.take_along_axis(values, place[:, None], 1)[:, 0]
        better = (value < race.best) & ~race.ended
        best = jnp.where(better, value, race.best)
        found = jnp.where(better, race.seen + place.astype(jnp.uint32), race.winner)
        ended = race.ended | (jnp.log(times[:, -1]) - largest > best) | ~blocks.active(step)
        return _Race(race.seen + _BATCH, times[:, -1], best, found, ended)

    free = blocks.steps == 0
    start = _Race(jnp.uint32(0), jnp.zeros(B), jnp.full(B, jnp.inf), jnp.zeros(B, jnp.uint32), free)
    return jax.lax.while_loop(lambda r: ~r.ended.all() & (r.seen < _MOST), look, start)


def _largest(tilt: Tilt, blocks: Blocks, step: jax.Array, total: jax.Array) -> jax.Array:
    """Return ln of the largest ratio that a sample of a step may have, [B]: samples are bounded."""
    V = blocks.variances
    V_after, V_before = (jnp.take(V, s, axis=1)[:, None] for s in (step + 1, step))
    slope, curve = tilt.linear(total, 1.0 - V_after)
    reach, steep = LARGEST_NORMAL * jnp.sqrt(V_after - V_before), jnp.abs(slope)
    best = jnp.where(curve * reach > steep, steep / jnp.where(curve == 0, 1.0, curve), reach)
    gain = steep * best - 0.5 * curve * best * best
    return jnp.sum(tilt.log_ratio(total, 1.0 - V_after) + gain, axis=-1)
