"""The channel of code points: what variational Bayesian quantization conveys, and its rate."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from pydantic import NonNegativeInt, PositiveFloat
from pydantic.dataclasses import dataclass

from rdbound.channels.base import Channel, Conveyed
from rdbound.ops.distributions import Gaussian
from rdbound.ops.gaussian import LN2, bounded
from rdbound.utils.registry import OPTIONS

__all__ = ["VBQChannel"]

_BITS = 24  # of a code point, as far as single precision goes
_ESCAPE = 6.0  # bits of sign and length that follow the escape


@dataclass(frozen=True, eq=False, config=OPTIONS)
class VBQChannel(Channel):
    """sample = μ̂ + σ̂·Φ⁻¹(ξ̂), ξ̂ the code point that algorithm 1 of Yang 2020 chooses.

    The bits are −log₂ of its frequency in the tables of a checkpoint
    (:func:`rdbound.coding.coders.vbq.coder.vbq_channel` makes the channel of them), numbered as
    :mod:`rdbound.coding.coders.vbq.symbols` has it. For judging: it has no gradient that would lead
    anywhere. Code points of more than 24 bits are left out.

    Attributes:
      costs: of each level −log₂ of frequencies, float32 [scales, numbers], the escape's last;
        None until they are known.
      low: the least log-scale of a prior that has a row.
      step: from row to row.
      penalty: nats of the posterior's log-density that a bit must save.
      level: of the latent.
    """

    costs: Sequence[np.ndarray] | None = None
    low: float = 0.0
    step: PositiveFloat = 1.0
    penalty: PositiveFloat = LN2
    level: NonNegativeInt = 0
    random = False

    def at_level(self, level: int) -> "VBQChannel":
        """With that level's tables."""
        return replace(self, level=level)

    def __call__(self, posterior: Gaussian, prior: Gaussian, key: jax.Array) -> Conveyed:
        """Convey; raises ValueError without tables, and for what is not Gaussian."""
        if not (isinstance(posterior, Gaussian) and isinstance(prior, Gaussian)):
            raise ValueError("code points of the model's prior need a Gaussian posterior and prior")
        scale = jnp.exp(bounded(prior.log_sigma))
        t = (posterior.mu - prior.mu) / scale
        ratio = jnp.exp(bounded(posterior.log_sigma) - bounded(prior.log_sigma))
        bits, below, value = _nearest(-jnp.abs(t), ratio, self.penalty)
        sample = prior.mu + scale * jnp.where(t > 0, -value, value)
        return Conveyed(sample, self._cost(bits, below, prior))

    def _cost(self, bits: jax.Array, k: jax.Array, prior: Gaussian) -> jax.Array:
        """−log₂ of the frequencies of points k/2^bits ≤ ½."""
        if self.costs is None:
            raise ValueError(
                "the channel vbq needs a checkpoint with tables of code points: "
                "rdbound calibrate CHECKPOINT IMAGES OUTPUT"
            )
        costs = jnp.asarray(self.costs[self.level])
        rows, reach = costs.shape[0], costs.shape[1] // 2 - 1
        place = jnp.rint((prior.log_sigma - self.low) / self.step)
        row = jnp.broadcast_to(jnp.clip(place, 0, rows - 1).astype(jnp.int32), bits.shape)
        ordinal = 2 ** jnp.maximum(bits - 2, 0) + (k - 1) // 2
        interval = 16 * (bits - 5) + (k >> jnp.maximum(bits - 5, 0))
        number = jnp.select(
            [bits == 1, bits <= 5, bits <= 10], [0 * k, ordinal, interval], reach + 1
        )
        within = jnp.where(bits <= 10, jnp.maximum(bits - 6, 0), 0).astype(jnp.float32)
        excess = jnp.maximum(ordinal - 2**9 + 1, 1).astype(jnp.float32)
        deep = jnp.where(bits > 10, _ESCAPE + 1 + jnp.floor(jnp.log2(excess)), 0.0)
        return costs[row, reach + number] + within + deep


def _nearest(t: jax.Array, ratio: jax.Array, penalty: float) -> tuple[jax.Array, ...]:
    """(bits r, k, Φ⁻¹(k/2^r)) of points up to ½, for standardized means t ≤ 0."""
    xi = ndtr(t)
    a_bit = 2.0 * penalty * ratio**2

    def step(best, tried):
        bits, whole = tried
        for k in (jnp.floor(xi * whole), jnp.floor(xi * whole) + 1.0):
            offered = (jnp.mod(k, 2.0) == 1.0) & (k <= whole / 2)
            value = ndtri(jnp.where(offered, k, 1.0) / whole)
            loss = jnp.where(offered, (value - t) ** 2 + a_bit * bits, jnp.inf)
            new = (loss, jnp.full(t.shape, bits), k, value)
            taken = partial(jnp.where, loss < best[0])
            best = jax.tree.map(taken, new, best)
        return best, None

    one = jnp.ones_like(t)
    # As floats, which hold all these integers exactly.
    tried = np.arange(1, _BITS + 1, dtype=t.dtype)
    none = (jnp.full(t.shape, jnp.inf, t.dtype), one, one, jnp.zeros_like(t))
    (_, bits, k, value), _ = jax.lax.scan(step, none, (tried, 2.0**tried))
    return bits.astype(jnp.int32), k.astype(jnp.int32), value
