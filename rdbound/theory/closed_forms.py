"""Values that theory knows in closed form: exact points, one-shot codes, Shannon lower bounds.

Nothing is random: the seed is only kept in the estimates.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from pydantic.dataclasses import dataclass

from rdbound.ops.gaussian import LN2
from rdbound.sources.base import Point, Source, check_positive
from rdbound.tables.estimates import Side
from rdbound.theory.base import Certificate, Estimate, Estimator, check_lmbdas

__all__ = ["Exact", "OneShot", "ShannonLowerBound", "shannon_lower_bound"]


@dataclass(frozen=True)
class Exact:
    """The exact R(D) of a source that has a closed form."""

    name = "exact"

    def solve(self, source: Source, lmbdas: Sequence[float], seed: int = 0) -> list[Estimate[None]]:
        """Return the exact points at the slopes where they are known.

        Raises:
          ValueError: if a λ is not positive, or no exact point is known.
        """
        points = [(lmbda, source.exact(lmbda)) for lmbda in check_lmbdas(lmbdas)]
        known = [(lmbda, point) for lmbda, point in points if point is not None]
        if not known:
            raise ValueError(f"the exact R(D) of {type(source).__name__} is not known at these λ")
        return _estimates(self, source, seed, "exact", known, None)


@dataclass(frozen=True)
class OneShot:
    """The best entropy-coded quantizer of one realization, where it is known (sawbridge).

    R(D) lies below it, since a code may join many realizations. It is an estimate and no bound:
    the formula is that of the limit of many dimensions.
    """

    name = "one-shot"

    def solve(self, source: Source, lmbdas: Sequence[float], seed: int = 0) -> list[Estimate[None]]:
        """Return the entropy and the distortion of the best quantizers, per dimension.

        Raises:
          ValueError: if a λ is not positive, or the best quantizer is unknown.
        """
        if not hasattr(source, "one_shot"):
            raise ValueError(f"the best one-shot code of {type(source).__name__} is not known")
        n, points = source.dimension, []
        for lmbda in check_lmbdas(lmbdas):
            rate, distortion = source.one_shot(n * lmbda)  # bits per realization
            points.append((lmbda, Point(rate / n, distortion)))
        return _estimates(self, source, seed, "estimate", points, None)


@dataclass(frozen=True)
class ShannonLowerBound:
    """The Shannon lower bound of a source whose differential entropy is known."""

    name = "shannon-lower"

    def solve(
        self, source: Source, lmbdas: Sequence[float], seed: int = 0
    ) -> list[Estimate[float]]:
        """Return points of :func:`shannon_lower_bound`; certificates are h in bits.

        Raises:
          ValueError: if a λ is not positive, or the differential entropy is not finite.
        """
        entropy = getattr(source, "entropy", float("nan"))
        if source.distortion == "matrix" or not np.isfinite(entropy):
            raise ValueError(
                f"the Shannon lower bound needs a finite differential entropy, and that of "
                f"{type(source).__name__} is not known"
            )
        points = [
            (lmbda, shannon_lower_bound(entropy, source.dimension, source.distortion, lmbda))
            for lmbda in check_lmbdas(lmbdas)
        ]
        return _estimates(self, source, seed, "lower", points, entropy)


def shannon_lower_bound(entropy: float, dimension: int, distortion: str, lmbda: float) -> Point:
    """Return the point where the Shannon lower bound, at least 0, minimizes R + λ·D.

        squared:   R(D) ≥ h/n − ½·log₂(2πe·D)
        absolute:  R(D) ≥ h/n − log₂(2e·D)

    (Shannon 1959; Berger 1971).

    Args:
      entropy: h, the differential entropy of the vector, in bits.
      dimension: n.
      distortion: ``squared`` or ``absolute``.
      lmbda: λ, in bits per unit of distortion.

    Raises:
      ValueError: if λ is not positive, or the distortion is another one.
    """
    h = entropy / dimension
    if distortion == "squared":
        power, volume = 0.5, 2 * np.pi * np.e
    elif distortion == "absolute":
        power, volume = 1.0, 2 * np.e
    else:
        raise ValueError(f"the Shannon lower bound needs a density, not {distortion} distortion")
    most = 2.0 ** (h / power) / volume  # where the bound crosses zero
    best = power / (LN2 * check_positive(lmbda))
    if best >= most:
        return Point(0.0, float(most))
    return Point(float(h - power * np.log2(volume * best)), float(best))


def _estimates(
    method: Estimator[Certificate],
    source: Source,
    seed: int,
    side: Side,
    points: Iterable[tuple[float, Point]],
    certificate: Certificate,
) -> list[Estimate[Certificate]]:
    """Return the estimates of (λ, point) pairs."""
    return [
        Estimate(
            source=source,
            method=method,
            seed=seed,
            side=side,
            lmbda=lmbda,
            rate=point.rate,
            distortion=point.distortion,
            certificate=certificate,
        )
        for lmbda, point in points
    ]
