"""The posterior family gap: what a factorized Gaussian posterior costs against a richer family.

On a source of vectors, at one λ, with every other part of the model the same (which the
configuration ensures; methods are paired by their names):

    posterior-family-full            J(factorized) − J(full covariance)
    posterior-family-autoregressive  J(factorized) − J(autoregressive)

It measures the approximation effect of Zhang & Liu 2025 (arXiv 2501.12330, §3) on models that are
trained separately, so it contains the noise of two trainings beside that of the samples; only the
latter is in the interval. The gap ``approximation`` of :mod:`rdbound.analysis.gaps` measures the
same effect at fixed weights.
"""

from collections.abc import Sequence

from rdbound.tables.estimates import Answer
from rdbound.tables.gaps import Gap
from rdbound.tables.rd import MEAN

__all__ = ["posterior_family_gaps"]

FACTORIZED = "neural-upper"
FAMILIES = ("full", "autoregressive")
_NORMAL = 1.96  # standard errors of a 95 % interval


def posterior_family_gaps(answers: Sequence[Answer]) -> list[Gap]:
    """Return a gap for each source, λ and richer family that has a factorized counterpart."""
    J = {(a.source, a.lmbda, a.method): a for a in answers if a.side == "upper"}
    out = []
    for (source, lmbda, method), plain in J.items():
        if method != FACTORIZED:
            continue
        for family in FAMILIES:
            rich = J.get((source, lmbda, f"{FACTORIZED}-{family}"))
            if rich is None:
                continue
            value = plain.J - rich.J
            reach = _NORMAL * (plain.standard_error**2 + rich.standard_error**2) ** 0.5
            name = f"posterior-family-{family}"
            out.append(Gap(source, MEAN, lmbda, name, value, value - reach, value + reach))
    return out
