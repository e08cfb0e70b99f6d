"""What one-shot coding costs above the rate of a bound: the theory of the asymptotic gap.

A bound charges KL(q ‖ p) for a posterior q conveyed under a prior p, which is
what channel simulation needs per sample when infinitely many are coded
jointly. One block of I bits costs more. All functions are in bits.
"""

from dataclasses import dataclass

import numpy as np

__all__ = [
    "FUNCTIONAL",
    "Functional",
    "block_rate",
    "check_bits",
    "dithered_excess",
    "functional_bound",
    "least_excess",
]

SPACE_FILLING = 0.5 * float(np.log2(2 * np.pi * np.e / 12))
"""½·log₂(2πe/12) = 0.2546 bits: a cube's loss against a ball of infinite dimension."""


@dataclass(frozen=True)
class Functional:
    """A proven H ≤ I + log₂(I + shift) + constant, and where it is proven."""

    shift: float
    constant: float
    source: str


FUNCTIONAL: dict[str, Functional] = {
    "li-el-gamal-2018": Functional(
        1.0, 4.0, "Li & El Gamal 2018 (arXiv 1701.02827), thm. 1; 3.871 in the proof"
    ),
    "li-anantharam-2021": Functional(
        1.0, 3.732, "Li & Anantharam 2021 (arXiv 1812.03616), appendix"
    ),
    "li-2025": Functional(3.4, 1.0, "Li 2025 (arXiv 2501.13736), by discrete layered entropy"),
}


def check_bits(bits: float, what: str = "a rate") -> float:
    """``bits`` as a float; raises ValueError where they are negative."""
    if not bits >= 0:
        raise ValueError(f"{what} of {bits} bits is negative")
    return float(bits)


def functional_bound(information: float, name: str = "li-el-gamal-2018") -> float:
    """Upper bound on the entropy of a one-shot simulation of a channel of ``information`` bits.

    The strong functional representation lemma: I + log₂(I + shift) + constant
    with the constants of :data:`FUNCTIONAL`. A prefix code adds at most one
    bit a block; an entropy coder over many blocks spreads that bit. Raises
    ValueError for another ``name``, or negative bits.
    """
    if name not in FUNCTIONAL:
        raise ValueError(f"unknown bound {name!r}: choose one of {', '.join(FUNCTIONAL)}")
    bound, information = FUNCTIONAL[name], check_bits(information)
    return information + float(np.log2(information + bound.shift)) + bound.constant


def block_rate(information: float, block: int, name: str = "li-el-gamal-2018") -> float:
    """Bits per sample when ``block`` samples of ``information`` bits are coded as one.

    (1/n)·[nI + log₂(nI + shift) + constant], of entropy as in
    :func:`functional_bound`: the excess falls like log(n)/n. Raises ValueError as
    there, or for a block of no samples.
    """
    if block < 1:
        raise ValueError(f"a block has at least one sample, not {block}")
    return functional_bound(block * check_bits(information), name) / block


def least_excess(information: float) -> float:
    """Bits above I that a one-shot prefix code of a channel needs at most.

    The best of :data:`FUNCTIONAL`, and the one bit by which a prefix code may
    exceed the entropy: the theory beside a measured asymptotic gap. Raises
    ValueError for negative bits.
    """
    bounds = [functional_bound(information, name) for name in FUNCTIONAL]
    return min(bounds) - information + 1.0


def dithered_excess(rate: str = "high") -> float:
    """Bits per dimension by which scalar dithered quantization exceeds R(D), squared error.

    ``high``: its limit at high rate, ½·log₂(2πe/12) = 0.2546; ``any``: at most
    ½·log₂(4πe/12) = 0.7546 for any source at any rate (Zamir & Feder 1992). Raises
    ValueError for another ``rate``.
    """
    if rate not in ("high", "any"):
        raise ValueError(f"rate is 'high' or 'any', not {rate!r}")
    return SPACE_FILLING + (0.5 if rate == "any" else 0.0)
