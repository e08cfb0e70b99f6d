"""What samplers that simulate a channel convey: greedy rejection, importance sampling.

The index of a candidate drawn from the prior p stands for a sample of the
posterior q; its length is held against the bounds of :mod:`rdbound.theory.one_shot_bounds`.
All lengths are in bits.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import zeta

from rdbound.sources.finite import check_probabilities
from rdbound.theory.one_shot_bounds import check_bits

__all__ = [
    "greedy_rejection",
    "importance_bias",
    "importance_length",
    "ratio_alphabet",
    "zipf_length",
]


def greedy_rejection(q: ArrayLike, p: ArrayLike, steps: int = 4096) -> np.ndarray:
    """Distribution of the index that greedy rejection sampling conveys, [steps + 1].

    Candidates are drawn from p; the k-th is accepted with as much of q as is
    still missing there (Harsha et al. 2010): with s the mass accepted so
    far and a(x) its share at x, the step accepts min(q − a, (1 − s)·p).

    Args:
      q: a distribution on a finite alphabet, [m].
      p: another on the same alphabet, positive where q is.
      steps: indices computed; the last entry is what is left after them.

    Raises ValueError for what is no distribution, or where q is not absolutely
    continuous with respect to p.
    """
    q, p = check_probabilities(q, "q"), check_probabilities(p, "p")
    if q.shape != p.shape or ((p <= 0) & (q > 0)).any():
        raise ValueError("q and p must share an alphabet, with p > 0 wherever q > 0")
    accepted, out = np.zeros_like(q), np.zeros(steps + 1)
    for k in range(steps):
        gain = np.minimum(q - accepted, (1.0 - accepted.sum()) * p)
        out[k] = gain.sum()
        accepted += gain
        if out[k] <= 0:
            break
    out[steps] = max(0.0, 1.0 - out[:steps].sum())
    return out


def ratio_alphabet(log2_ratios: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """(q, p) on a finite alphabet, [N] each, that stand for any posterior and prior.

    The law of q/p is all that greedy rejection depends on. ``log2_ratios`` [N] are
    log₂ q/p at samples of the *prior*, each a symbol of probability 1/N under p and
    its ratio over N under q. Raises ValueError where those sum to less than 0.9 or
    more than 1.1: so few samples miss where q is.
    """
    ratios = np.asarray(log2_ratios, np.float64)
    q = 2.0**ratios / len(ratios)
    if not abs(q.sum() - 1.0) <= 0.1:
        raise ValueError(
            f"{len(ratios)} samples give the posterior a probability of {q.sum():.3g}: draw more"
        )
    return q / q.sum(), np.full(len(ratios), 1.0 / len(ratios))


def zipf_length(indices: np.ndarray, information: float) -> float:
    """Expected length of an ideal code for the index, of a Zipf law fitted to ``information``.

    The code that Li & El Gamal 2018 use: p(k) ∝ k^−s, s = 1 + 1/(I + e⁻¹·log₂e + 1),
    so that −log₂ p(k) = s·log₂ k + log₂ ζ(s). The mass beyond the computed
    indices is charged as if it were the last of them: a lower limit where
    that mass is not negligible.

    Args:
      indices: their distribution, as :func:`greedy_rejection` returns.
      information: I, in bits.

    Raises ValueError where it is negative.
    """
    s = 1.0 + 1.0 / (check_bits(information) + np.log2(np.e) / np.e + 1.0)
    k = np.arange(1, len(indices) + 1)
    return float(np.sum(indices * s * np.log2(k)) + np.log2(zeta(s)))


def importance_length(divergence: float, overhead: float) -> float:
    """Expected length of importance sampling's index: ⌈KL + ``overhead``⌉ bits.

    One of 2^(KL + t) candidates drawn from p is chosen by its weight q/p and its
    number written with a code of fixed length (Havasi et al. 2019, arXiv
    1810.00440); :func:`importance_bias` says what the overhead t buys. Raises
    ValueError for negative bits.
    """
    return float(np.ceil(check_bits(divergence) + check_bits(overhead, "an overhead")))


def importance_bias(log2_ratios: ArrayLike, overhead: float) -> float:
    """How biased importance sampling with 2^(KL + ``overhead``) candidates can be: ε.

    The index costs what :func:`importance_length` says. Candidates are
    chosen with self-normalized weights, so for any f of root mean square one
    under q the estimate of E f is off by more than 2ε/(1 − ε) with a
    probability of at most 2ε (Chatterjee & Diaconis 2018, thm. 1.2),

        ε² = 2^(−t/4) + 2·√P(log₂ q/p > KL + t/2).

    Args:
      log2_ratios: log₂ q/p at samples of q; KL is their mean.
      overhead: t ≥ 0, in bits.

    Raises ValueError where it is negative.
    """
    check_bits(overhead, "an overhead")
    ratios = np.asarray(log2_ratios, np.float64)
    late = np.mean(ratios > ratios.mean() + overhead / 2)
    return float(np.sqrt(2.0 ** (-overhead / 4) + 2.0 * np.sqrt(late)))
