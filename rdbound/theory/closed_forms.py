"""What theory knows without computing: exact points and the Shannon lower bound."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rdbound.ops.gaussian import LN2
from rdbound.sources.base import Point, Source, check_positive
from rdbound.theory.base import Estimate, check_lmbdas

__all__ = ["Exact", "OneShot", "ShannonLowerBound", "shannon_lower_bound"]


@dataclass(frozen=True)
class Exact:
    """The source's own R(D), where theory has one."""

    name = "exact"

    def solve(self, source: Source, lmbdas: Sequence[float], seed: int = 0) -> list[Estimate]:
        """Points for the λ that theory answers; raises ValueError where there is none."""
        points = {lmbda: source.exact(lmbda) for lmbda in check_lmbdas(lmbdas)}
        known = [
            Estimate(self.name, "exact", lmbda, point.rate, point.distortion)
            for lmbda, point in points.items()
            if point is not None
        ]
        if not known:
            raise ValueError(f"the exact R(D) of {type(source).__name__} is not known at these λ")
        return known


@dataclass(frozen=True)
class OneShot:
    """The best entropy-coded quantizer of one realization, where theory knows it (sawbridge).

    What R(D) is below: a code may use many realizations. An estimate, as the
    formula is that of the limit of many dimensions.
    """

    name = "one-shot"

    def solve(self, source: Source, lmbdas: Sequence[float], seed: int = 0) -> list[Estimate]:
        """(H/n, D) for each λ; raises ValueError for a source without a known optimum."""
        if not hasattr(source, "one_shot"):
            raise ValueError(f"the best one-shot code of {type(source).__name__} is not known")
        n, out = source.dimension, []
        for lmbda in check_lmbdas(lmbdas):
            rate, distortion = source.one_shot(n * lmbda)  # bits per realization
            out.append(Estimate(self.name, "estimate", lmbda, rate / n, distortion))
        return out


def shannon_lower_bound(entropy: float, dimension: int, distortion: str, lmbda: float) -> Point:
    """Where the Shannon lower bound, cut off at R = 0, minimizes R + λ·D.

        squared:   R(D) ≥ h/n − ½·log₂(2πe·D)
        absolute:  R(D) ≥ h/n − log₂(2e·D)

    (Shannon 1959; Berger 1971).

    Args:
      entropy: h, the differential entropy of the vector, in bits.
      dimension: n.
      distortion: ``squared`` or ``absolute``.
      lmbda: λ, in bits per unit of distortion.

    Raises ValueError for another distortion, or unless λ > 0.
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


@dataclass(frozen=True)
class ShannonLowerBound:
    """The Shannon lower bound of a source whose differential entropy is known."""

    name = "shannon-lower"

    def solve(self, source: Source, lmbdas: Sequence[float], seed: int = 0) -> list[Estimate]:
        """See :func:`shannon_lower_bound`; raises ValueError without a finite entropy."""
        lmbdas = check_lmbdas(lmbdas)
        entropy = getattr(source, "entropy", float("nan"))
        if source.distortion == "matrix" or not np.isfinite(entropy):
            raise ValueError(
                f"the Shannon lower bound needs a finite differential entropy, and that of "
                f"{type(source).__name__} is not known"
            )
        return [
            Estimate(
                self.name,
                "lower",
                lmbda,
                *shannon_lower_bound(entropy, source.dimension, source.distortion, lmbda),
            )
            for lmbda in lmbdas
        ]
