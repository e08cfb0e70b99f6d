"""The coder of variational Bayesian quantization: code points of few bits, chosen by the posterior.

After Yang, Bamler & Mandt 2020 (arXiv 2002.08158). What a model was trained for does not matter:
its posterior says how precisely each latent must be told, and the penalty how much a bit is worth,
so that one set of weights serves every rate.

The prior F is known to the decoder: the model's own conditional Gaussian, or, as in the paper, a
density a channel fitted to the means of photographs. Either way a point is written through a table
that was counted on photographs (:mod:`rdbound.coding.vbq_tables`).
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from rdbound.channels.vbq import VBQChannel
from rdbound.coding.base import Coder
from rdbound.coding.code_points import CodePoints, nearest_points
from rdbound.coding.densities import ChannelDensities
from rdbound.coding.dyadic import read_points, write_points
from rdbound.coding.guard import agreed
from rdbound.coding.range_coder import Reader, Writer
from rdbound.coding.tables import TOTAL, FrequencyTable, Tables
from rdbound.coding.vbq_tables import PENALTIES, PRIOR_SCALES, keys_of, node_of
from rdbound.ops.distributions import Gaussian
from rdbound.ops.gaussian import LN2, LOG_SCALE_LIMIT

__all__ = ["ConditionalPrior", "EmpiricalPrior", "KnownPrior", "VBQCoder", "vbq_channel"]

_PRIORS = ("conditional", "empirical")
_RANGE = (float(PENALTIES[0]) / 16.0, float(PENALTIES[-1]) * 16.0)


class KnownPrior(ABC):
    """A prior of one level as both sides know it, over the latent's elements in a row."""

    @abstractmethod
    def cdf(self, mu: np.ndarray) -> np.ndarray:
        """F of [n], one for each latent."""

    @abstractmethod
    def quantile(self, points: np.ndarray, which: np.ndarray) -> np.ndarray:
        """F⁻¹, see :data:`rdbound.coding.code_points.Quantile`."""

    @abstractmethod
    def spread(self, stream: Writer | Reader) -> np.ndarray:
        """The index of each latent in :data:`PRIOR_SCALES` [n]; its guard list is in the stream."""

    def points(self, posterior: Any, penalty: float) -> CodePoints:
        """Those of the latents of a Gaussian posterior."""
        mu = np.asarray(posterior.mu, np.float64)
        log_sigma = np.clip(posterior.log_sigma, -LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)
        sigma = np.broadcast_to(np.exp(np.asarray(log_sigma, np.float64)), mu.shape)
        return nearest_points(
            self.cdf(mu.ravel()), mu.ravel(), sigma.ravel(), penalty, self.quantile
        )

    def latent(self, points: CodePoints, shape: tuple[int, ...]) -> np.ndarray:
        """What points stand for, float32."""
        value = self.quantile(points.value, np.arange(len(points.bits)))
        return value.reshape(shape).astype(np.float32)


class ConditionalPrior(KnownPrior):
    """The model's own Gaussian; raises ValueError for another prior.

    Args:
      prior: of the level.
      shape: of the latent.
    """

    def __init__(self, prior: Any, shape: tuple[int, ...]):
        if not isinstance(prior, Gaussian):
            raise ValueError(
                f"code points of the model's prior need a Gaussian, not {type(prior).__name__}: "
                "take prior=empirical"
            )
        flat = lambda x: np.broadcast_to(np.asarray(x, np.float64), shape).ravel()  # noqa: E731
        self._mu = flat(prior.mu)
        self._log_sigma = np.clip(flat(prior.log_sigma), -LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)
        self._sigma = np.exp(self._log_sigma)

    def cdf(self, mu: np.ndarray) -> np.ndarray:
        """Φ((μ − μ̂)/σ̂)."""
        return ndtr((mu - self._mu) / self._sigma)

    def quantile(self, points: np.ndarray, which: np.ndarray) -> np.ndarray:
        """μ̂ + σ̂·Φ⁻¹(ξ̂)."""
        return self._mu[which] + self._sigma[which] * ndtri(points)

    def spread(self, stream: Writer | Reader) -> np.ndarray:
        """By the log-scale."""
        return agreed(stream, self._log_sigma, PRIOR_SCALES)


class EmpiricalPrior(KnownPrior):
    """Of each channel, the last axis, its own density, whatever came before.

    Args:
      tables: of the densities.
      shape: of the latent; raises ValueError where there is not one table a channel.
    """

    def __init__(self, tables: list[FrequencyTable], shape: tuple[int, ...]):
        if len(tables) != shape[-1]:
            raise ValueError(f"{len(tables)} densities for the {shape[-1]} channels of a latent")
        self._of = ChannelDensities(tables)
        self._channel = np.broadcast_to(np.arange(shape[-1]), shape).ravel()

    def cdf(self, mu: np.ndarray) -> np.ndarray:
        """That of each channel."""
        return self._of.cdf(mu, self._channel)

    def quantile(self, points: np.ndarray, which: np.ndarray) -> np.ndarray:
        """That of each channel."""
        return self._of.quantile(points, self._channel[which])

    def spread(self, stream: Writer | Reader) -> np.ndarray:
        """By the channel; both sides compute it alike, and the guard list is not needed."""
        edges = np.append(PRIOR_SCALES.scale(np.arange(PRIOR_SCALES.levels - 1) + 0.5), np.inf)
        return np.searchsorted(edges, self._of.spreads)[self._channel]


class VBQCoder(Coder):
    """Code points of the posterior's means by the range coder.

    Args:
      tables: of a checkpoint that ``rdbound calibrate`` has written.
      penalty: nats of the posterior's log-density that a bit of a code point must save; ln 2 weighs
        rate and distortion as the λ of the model does, more tells less.
      prior: ``conditional``, the model's own, or ``empirical``, a density a channel.

    Raises ValueError for tables without code points and an option out of range.
    """

    name = "vbq"
    code = 5
    channel = "vbq"
    form = "bound"

    def __init__(self, tables: Tables, penalty: float = LN2, prior: str = "conditional"):
        super().__init__(tables)
        if keys_of(0).conditional not in tables:
            raise ValueError(
                f"coder {self.name!r}: the checkpoint has no tables of code points; write a copy "
                "that has with rdbound calibrate CHECKPOINT IMAGES OUTPUT"
            )
        if prior not in _PRIORS:
            raise ValueError(f"coder {self.name!r}: prior = {prior!r}; expected one of "
                             f"{', '.join(_PRIORS)}")  # fmt: skip
        low, high = _RANGE
        if not low <= penalty <= high:
            raise ValueError(
                f"coder {self.name!r}: penalty = {penalty:g}; expected {low:.3g} to {high:.3g}"
            )
        self._penalty, self._prior = penalty, prior

    @property
    def parameters(self) -> dict[str, Any]:
        """What is not the default."""
        penalty = {} if self._penalty == LN2 else {"penalty": self._penalty}
        return penalty | ({} if self._prior == _PRIORS[0] else {"prior": self._prior})

    def write(self, level: int, posterior: Any, prior: Any, stream: Writer) -> np.ndarray:
        """See :meth:`Coder.write`; of the posterior the scales choose how many bits.

        Args: as there. Raises ValueError for a posterior that is not Gaussian, a latent that is
        not finite, and a prior that is not Gaussian where it is taken.
        """
        if not isinstance(posterior, Gaussian):
            raise ValueError(
                f"code points need a Gaussian posterior, not {type(posterior).__name__}"
            )
        shape = np.shape(posterior.mu)
        known = self._known(level, prior, shape)
        points = known.points(posterior, self._penalty)
        spread = known.spread(stream)
        write_points(stream, points, *self._groups(level, spread))
        return known.latent(points, shape)

    def read(self, level: int, prior: Any, shape: tuple[int, ...], stream: Reader) -> np.ndarray:
        """See :meth:`Coder.read`.

        Args: as there. Raises :class:`rdbound.coding.range_coder.UnreadableError` for a
        guard list or a point that no writer writes.
        """
        known = self._known(level, prior, shape)
        points = read_points(stream, *self._groups(level, known.spread(stream)))
        return known.latent(points, shape)

    def _known(self, level: int, prior: Any, shape: tuple[int, ...]) -> KnownPrior:
        if self._prior == "empirical":
            return EmpiricalPrior(self.tables[keys_of(level).density], shape)
        return ConditionalPrior(prior, shape)

    def _groups(self, level: int, spread: np.ndarray) -> tuple[np.ndarray, list[FrequencyTable]]:
        """(which table is each latent's, the tables of the level and the penalty)."""
        keys = keys_of(level)
        key = keys.empirical if self._prior == "empirical" else keys.conditional
        return spread.astype(np.int64), _at(self.tables[key], self._penalty)


def vbq_channel(tables: Tables, penalty: float = LN2) -> VBQChannel:
    """The channel whose rate :class:`VBQCoder` realizes by the conditional prior.

    Without code points in ``tables`` it is one that refuses to convey.
    """
    costs: list[np.ndarray] = []
    while (key := keys_of(len(costs)).conditional) in tables:
        frequencies = np.array([table.frequencies for table in _at(tables[key], penalty)])
        costs.append(np.log2(TOTAL / frequencies).astype(np.float32))
    return VBQChannel(costs or None, PRIOR_SCALES.low, PRIOR_SCALES.step, penalty)


def _at(tables: list[FrequencyTable], penalty: float) -> list[FrequencyTable]:
    """Those of a penalty, one a scale of the prior."""
    first = PRIOR_SCALES.levels * node_of(penalty)
    return tables[first : first + PRIOR_SCALES.levels]
