"""The channel of code points: variational Bayesian quantization, and its rate."""

from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from pydantic import NonNegativeInt, PositiveFloat
from pydantic.dataclasses import dataclass

from rdbound.channels.base import Channel, Conveyed
from rdbound.ops.code_points import CodePoints, code_bits, offered_points
from rdbound.ops.distributions import Gaussian
from rdbound.ops.gaussian import LN2, bounded
from rdbound.utils.registry import OPTIONS

__all__ = ["VBQChannel"]

_BITS = 24  # most bits of a code point: the precision of float32


@dataclass(frozen=True, eq=False, config=OPTIONS)
class VBQChannel(Channel):
    """sample = μ̂ + σ̂·Φ⁻¹(ξ̂), ξ̂ the code point that algorithm 1 of Yang 2020 chooses.

    The bits are −log₂ of its frequency in the tables of a checkpoint
    (:func:`rdbound.coding.coders.vbq.coder.vbq_channel` makes the channel from them). It
    evaluates, and has no useful gradient. Code points of more than 24 bits are left out.

    Attributes:
      costs: for each level −log₂ of the frequencies, float32
        [scales, :data:`rdbound.ops.code_points.SYMBOLS`]; None for a checkpoint without tables.
      low: the least log-scale of a prior that has a row.
      step: distance of the log-scales of two rows.
      penalty: nats of the posterior's log-density that a bit must save.
      level: index of the latent.
    """

    costs: Sequence[np.ndarray] | None = None
    low: float = 0.0
    step: PositiveFloat = 1.0
    penalty: PositiveFloat = LN2
    level: NonNegativeInt = 0
    random = False

    def at_level(self, level: int) -> "VBQChannel":
        """Return the channel with the tables of ``level``."""
        return replace(self, level=level)

    def __call__(self, posterior: Gaussian, prior: Gaussian, key: jax.Array) -> Conveyed:
        """Convey a latent.

        Raises:
          ValueError: if posterior or prior is not Gaussian, or the checkpoint has no tables.
        """
        if not (isinstance(posterior, Gaussian) and isinstance(prior, Gaussian)):
            raise ValueError("code points of the model's prior need a Gaussian posterior and prior")
        scale = jnp.exp(bounded(prior.log_sigma))
        t = (posterior.mu - prior.mu) / scale
        ratio = jnp.exp(bounded(posterior.log_sigma) - bounded(prior.log_sigma))
        points, value = _nearest(-jnp.abs(t), ratio, self.penalty)
        sample = prior.mu + scale * jnp.where(t > 0, -value, value)
        return Conveyed(sample, self._bits(points, prior))

    def _bits(self, points: CodePoints, prior: Gaussian) -> jax.Array:
        """Return the bits of points of at most ½, which are those of their mirrors."""
        if self.costs is None:
            raise ValueError(
                "the channel vbq needs a checkpoint with tables of code points: "
                "rdbound calibrate CHECKPOINT IMAGES OUTPUT"
            )
        costs = jnp.asarray(self.costs[self.level])
        place = jnp.clip(jnp.rint((prior.log_sigma - self.low) / self.step), 0, len(costs) - 1)
        rows = jnp.broadcast_to(place.astype(jnp.int32), points.bits.shape)
        mirrored = CodePoints(points.bits, (1 << points.bits) - points.numerator)
        return jnp.asarray(code_bits(mirrored, costs, rows))


def _nearest(t: jax.Array, ratio: jax.Array, penalty: float) -> tuple[CodePoints, jax.Array]:
    """Return the best points of at most ½ and their Φ⁻¹, for standardized means t ≤ 0.

    The search is that of :func:`rdbound.ops.code_points.nearest_points`, with the bits as a
    loop of the program; ``ratio`` is the posterior's scale in units of the prior's.
    """
    xi = ndtr(t)
    a_bit = 2.0 * penalty * ratio**2

    def step(best, tried):
        bits, whole = tried
        k = offered_points(xi, whole)
        value = ndtri(k / whole)
        loss = (value - t) ** 2 + a_bit * bits
        new = (loss, jnp.full(t.shape, bits), k, value)
        return jax.tree.map(lambda a, b: jnp.where(loss < best[0], a, b), new, best), None

    one = jnp.ones_like(t)
    # As floats, which hold all these integers exactly.
    tried = np.arange(1, _BITS + 1, dtype=t.dtype)
    none = (jnp.full(t.shape, jnp.inf, t.dtype), one, one, jnp.zeros_like(t))
    (_, bits, k, value), _ = jax.lax.scan(step, none, (tried, 2.0**tried))
    return CodePoints(bits.astype(jnp.int32), k.astype(jnp.int32)), value
