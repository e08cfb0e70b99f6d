"""The coder of variational Bayesian quantization: short code points near the posterior's means.

After Yang, Bamler & Mandt 2020 (arXiv 2002.08158). The posterior's scale is the precision of each
latent, and the penalty is the price of a bit, so that one set of weights serves every rate.

The decoder knows the prior F: the model's own conditional Gaussian or, as in the paper, a
density for each channel, fitted to the means of photographs. A point is written through a table
that was counted on photographs (:mod:`rdbound.coding.coders.vbq.tables`).
"""

from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, SkipValidation, validate_call
from scipy.special import ndtr, ndtri

from rdbound.channels.vbq import VBQChannel
from rdbound.coding.coders.base import Coder
from rdbound.coding.coders.vbq.empirical_prior import ChannelDensities
from rdbound.coding.coders.vbq.symbols import costs_of, lengths_of, read_points, write_points
from rdbound.coding.coders.vbq.tables import (
    KNOWN,
    PENALTIES,
    PRIOR_SCALES,
    WEIGHED,
    density_key,
    points_key,
    tables_at,
)
from rdbound.coding.entropy.frequency_tables import FrequencyTable, Tables
from rdbound.coding.entropy.guard_list import agreed
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.ops.code_points import CodePoints, Lengths, nearest_points
from rdbound.ops.distributions import Gaussian
from rdbound.ops.gaussian import LN2, LOG_SCALE_LIMIT
from rdbound.utils.registry import OPTIONS

__all__ = [
    "ConditionalPrior",
    "EmpiricalPrior",
    "KnownPrior",
    "VBQCoder",
    "code_lengths",
    "vbq_channel",
]

_Penalty = Annotated[float, Field(ge=float(PENALTIES[0]) / 16.0, le=float(PENALTIES[-1]) * 16.0)]


class KnownPrior(ABC):
    """A prior of one level that encoder and decoder know, over the latent's elements in a row."""

    @abstractmethod
    def cdf(self, mu: np.ndarray) -> np.ndarray:
        """Return F of values [n], one for each latent."""

    @abstractmethod
    def quantile(self, points: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Return F⁻¹, see :data:`rdbound.ops.code_points.Quantile`."""

    @abstractmethod
    def spread(self, stream: Writer | Reader) -> np.ndarray:
        """Return the agreed indexes of the latents in :data:`PRIOR_SCALES`, [n]."""

    def points(
        self, posterior: Gaussian, penalty: float, lengths: Lengths | None = None
    ) -> CodePoints:
        """Return the code points of a posterior's latents, see :func:`nearest_points`."""
        mu = np.asarray(posterior.mu, np.float64)
        log_sigma = np.clip(posterior.log_sigma, -LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)
        sigma = np.broadcast_to(np.exp(np.asarray(log_sigma, np.float64)), mu.shape)
        return nearest_points(
            self.cdf(mu.ravel()), mu.ravel(), sigma.ravel(), penalty, self.quantile, lengths
        )

    def latent(self, points: CodePoints, shape: tuple[int, ...]) -> np.ndarray:
        """Return the values of points, float32."""
        value = self.quantile(points.value, np.arange(len(points.bits)))
        return value.reshape(shape).astype(np.float32)


class ConditionalPrior(KnownPrior):
    """The model's own Gaussian.

    Args:
      prior: prior of the level.
      shape: shape of the latent.

    Raises:
      ValueError: if the prior is not Gaussian.
    """

    def __init__(self, prior: Any, shape: tuple[int, ...]):
        if not isinstance(prior, Gaussian):
            raise ValueError(
                f"code points of the model's prior need a Gaussian, not {type(prior).__name__}: "
                "take prior=empirical"
            )
        self._mu, log_sigma = (
            np.broadcast_to(np.asarray(leaf, np.float64), shape).ravel() for leaf in prior
        )
        self._log_sigma = np.clip(log_sigma, -LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)
        self._sigma = np.exp(self._log_sigma)

    def cdf(self, mu: np.ndarray) -> np.ndarray:
        """Return Φ((μ − μ̂)/σ̂)."""
        return ndtr((mu - self._mu) / self._sigma)

    def quantile(self, points: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Return μ̂ + σ̂·Φ⁻¹(ξ̂)."""
        return self._mu[which] + self._sigma[which] * ndtri(points)

    def spread(self, stream: Writer | Reader) -> np.ndarray:
        """Return the indexes of the log-scales."""
        return agreed(stream, self._log_sigma, PRIOR_SCALES)


class EmpiricalPrior(KnownPrior):
    """A density for each channel, independent of other latents.

    Args:
      tables: tables of the densities.
      channel: channel of each latent, [n].
    """

    def __init__(self, tables: list[FrequencyTable], channel: np.ndarray):
        self._of = ChannelDensities(tables)
        self._channel = channel

    def cdf(self, mu: np.ndarray) -> np.ndarray:
        """Return F of each channel."""
        return self._of.cdf(mu, self._channel)

    def quantile(self, points: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Return F⁻¹ of each channel."""
        return self._of.quantile(points, self._channel[which])

    def spread(self, stream: Writer | Reader) -> np.ndarray:
        """Return the indexes by channel, which need no guard list."""
        edges = PRIOR_SCALES.scale(np.arange(PRIOR_SCALES.levels - 1) + 0.5)
        return np.searchsorted(edges, self._of.spreads)[self._channel]


class VBQCoder(Coder):
    """Code points of the posterior's means by the range coder.

    Args:
      tables: tables of a checkpoint that ``rdbound calibrate`` has written.
      penalty: nats of the posterior's log-density that a bit of a code point must save; ln 2 weighs
        rate and distortion as the λ of the model does, a larger penalty lowers the rate.
      prior: ``conditional``, the model's own, or ``empirical``, a density for each channel.
      weigh: cost of a point when it is chosen: ``bits``, its own, as published, or ``codes``,
        the length of its code.

    Raises:
      ValueError: if the tables have no code points.
    """

    name = "vbq"
    code = 5
    channel = "vbq"
    form = "bound"

    @validate_call(config=OPTIONS)
    def __init__(
        self,
        tables: SkipValidation[Tables],
        penalty: _Penalty = LN2,
        prior: Literal["conditional", "empirical"] = "conditional",
        weigh: Literal["bits", "codes"] = "bits",
    ):
        super().__init__(tables)
        if density_key(0) not in tables:
            raise ValueError(
                f"coder {self.name!r}: the checkpoint has no tables of code points; write a copy "
                "that has with rdbound calibrate CHECKPOINT IMAGES OUTPUT"
            )
        self._penalty, self._prior, self._weigh = penalty, prior, weigh

    @property
    def parameters(self) -> dict[str, Any]:
        """The options that are not the defaults."""
        own = {"penalty": self._penalty, "prior": self._prior, "weigh": self._weigh}
        default = {"penalty": LN2, "prior": KNOWN[0], "weigh": WEIGHED[0]}
        return {key: value for key, value in own.items() if value != default[key]}

    def write(self, level: int, posterior: Any, prior: Any, stream: Writer) -> np.ndarray:
        """Write one latent; see :meth:`Coder.write`.

        Raises:
          ValueError: if the posterior is not Gaussian, a latent is not finite, or the prior is not
            Gaussian and ``prior`` is ``conditional``.
        """
        if not isinstance(posterior, Gaussian):
            raise ValueError(
                f"code points need a Gaussian posterior, not {type(posterior).__name__}"
            )
        shape = np.shape(posterior.mu)
        known = self._known(level, prior, shape)
        groups, tables = self._groups(level, known.spread(stream))
        lengths = None if self._weigh == "bits" else code_lengths(groups, tables)
        points = known.points(posterior, self._penalty, lengths)
        write_points(stream, points, groups, tables)
        return known.latent(points, shape)

    def read(self, level: int, prior: Any, shape: tuple[int, ...], stream: Reader) -> np.ndarray:
        """Read one latent; see :meth:`Coder.read`.

        Raises:
          UnreadableError: if a guard list or a point is not that of a writer.
        """
        known = self._known(level, prior, shape)
        points = read_points(stream, *self._groups(level, known.spread(stream)))
        return known.latent(points, shape)

    def _known(self, level: int, prior: Any, shape: tuple[int, ...]) -> KnownPrior:
        if self._prior == "empirical":
            densities = self.tables[density_key(level)]
            if len(densities) != shape[-1]:
                raise ValueError(f"level {level}: {len(densities)} densities, {shape[-1]} channels")
            channel = np.broadcast_to(np.arange(shape[-1]), shape).ravel()
            return EmpiricalPrior(densities, channel)
        return ConditionalPrior(prior, shape)

    def _groups(self, level: int, spread: np.ndarray) -> tuple[np.ndarray, list[FrequencyTable]]:
        """Return the index of each latent's table, and the tables of the level and the penalty."""
        tables = self.tables[points_key(level, self._prior, self._weigh)]
        return spread.astype(np.int64), tables_at(tables, self._penalty)


def code_lengths(groups: np.ndarray, tables: list[FrequencyTable]) -> Lengths:
    """Return the lengths of the codes of points, by the tables of the latents' ``groups`` [n]."""
    return lambda points, which: lengths_of(points, groups[which], tables)


def vbq_channel(tables: Tables, penalty: float = LN2) -> VBQChannel:
    """Return the channel whose rate :class:`VBQCoder` realizes with the conditional prior.

    Without code points in ``tables`` it raises ValueError when it is called.
    """
    costs: list[np.ndarray] = []
    while (key := points_key(len(costs), KNOWN[0], WEIGHED[0])) in tables:
        costs.append(costs_of(tables_at(tables[key], penalty)).astype(np.float32))
    return VBQChannel(costs or None, PRIOR_SCALES.low, PRIOR_SCALES.step, penalty)
