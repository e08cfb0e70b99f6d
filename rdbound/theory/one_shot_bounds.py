"""Bounds on the excess rate of one-shot coding: the theory of the asymptotic gap.

A bound on R(D) charges KL(q ‖ p) for a posterior q conveyed under a prior p, the rate of channel
simulation per sample when infinitely many samples are coded jointly. One block of I bits costs
more. All rates are in bits.
"""

from dataclasses import dataclass

import numpy as np

__all__ = [
    "FUNCTIONAL",
    "Functional",
    "block_rate",
    "functional_bound",
    "least_excess",
]


@dataclass(frozen=True)
class Functional:
    """A proven bound H ≤ I + log₂(I + shift) + constant, in bits, and its source."""

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


def _checked(bits: float) -> float:
    """Return a rate as a float; raise ValueError if it is negative."""
    if not bits >= 0:
        raise ValueError(f"a rate of {bits} bits is negative")
    return float(bits)


def functional_bound(information: float, name: str = "li-el-gamal-2018") -> float:
    """Return an upper bound on the entropy of a one-shot simulation of a channel, in bits.

    The strong functional representation lemma: I + log₂(I + shift) + constant. A prefix code adds
    at most one bit per block; an entropy coder over many blocks spreads that bit.

    Args:
      information: I, the rate of the channel in bits.
      name: a proof, one of :data:`FUNCTIONAL`.

    Raises:
      ValueError: if the name is unknown, or the bits are negative.
    """
    if name not in FUNCTIONAL:
        raise ValueError(f"unknown bound {name!r}: choose one of {', '.join(FUNCTIONAL)}")
    bound, information = FUNCTIONAL[name], _checked(information)
    return information + float(np.log2(information + bound.shift)) + bound.constant


def block_rate(information: float, block: int, name: str = "li-el-gamal-2018") -> float:
    """Return an upper bound on the bits per sample when a block of samples is coded as one.

    (1/n)·[nI + log₂(nI + shift) + constant], of entropy as in :func:`functional_bound`: the
    excess falls like log(n)/n.

    Args:
      information: I, the rate of one sample in bits.
      block: n, the samples per block.
      name: a proof, one of :data:`FUNCTIONAL`.

    Raises:
      ValueError: if the name is unknown, the bits are negative, or the block is empty.
    """
    if block < 1:
        raise ValueError(f"a block has at least one sample, not {block}")
    return functional_bound(block * _checked(information), name) / block


def least_excess(information: float) -> float:
    """Return an upper bound on the bits above I that a one-shot prefix code of a channel needs.

    The best bound of :data:`FUNCTIONAL` plus the one bit by which a prefix code may exceed the
    entropy: the theory beside a measured asymptotic gap.

    Args:
      information: I, the rate of the channel in bits.

    Raises:
      ValueError: if the bits are negative.
    """
    bounds = [functional_bound(information, name) for name in FUNCTIONAL]
    return min(bounds) - information + 1.0
