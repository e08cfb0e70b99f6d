import numpy as np
import pytest
from scipy.stats import norm

from rdbound.theory.channel_simulation import (
    greedy_rejection,
    importance_bias,
    importance_length,
    ratio_alphabet,
    zipf_length,
)


def _gaussian_pair(mu=1.0, sigma=0.5, cells=400):
    """Discretized q = N(mu, sigma²) and p = N(0, 1), and KL in bits."""
    edges = np.linspace(-8, 8, cells + 1)
    q, p = np.diff(norm.cdf(edges, mu, sigma)), np.diff(norm.cdf(edges))
    q, p = q / q.sum(), p / p.sum()
    used = q > 0
    return q, p, float((q[used] * np.log2(q[used] / p[used])).sum())


def test_an_index_of_fixed_length():
    assert importance_length(7.2, 2.0) == 10


def test_greedy_rejection_conveys_q():
    """Against a simulation of the sampler itself."""
    q, p, _ = _gaussian_pair(cells=40)
    indices = greedy_rejection(q, p)
    assert indices.sum() == pytest.approx(1)
    rng, accepted_at, conveyed = np.random.default_rng(0), [], []
    shares = []
    taken = np.zeros_like(q)
    for _ in range(200):
        gain = np.minimum(q - taken, (1 - taken.sum()) * p)
        shares.append(np.divide(gain, (1 - taken.sum()) * p, where=p > 0, out=np.zeros_like(p)))
        taken += gain
    for _ in range(4000):
        for k, share in enumerate(shares):
            x = rng.choice(len(p), p=p)
            if rng.random() < share[x]:
                accepted_at.append(k)
                conveyed.append(x)
                break
    first = np.mean(np.array(accepted_at) == 0)
    assert first == pytest.approx(indices[0], abs=4 * np.sqrt(0.25 / 4000))
    mean = np.mean(conveyed)
    places = np.arange(len(q))
    spread = np.sqrt((q * (places - q @ places) ** 2).sum() / len(conveyed))
    assert mean == pytest.approx(q @ places, abs=4 * spread)


@pytest.mark.parametrize(("mu", "sigma"), [(0.5, 0.8), (1.5, 0.3), (2.5, 0.1)])
def test_greedy_rejection_is_between_the_divergence_and_the_bound(mu, sigma):
    q, p, kl = _gaussian_pair(mu, sigma)
    indices = greedy_rejection(q, p, 20000)
    assert indices[-1] < 1e-3
    length = zipf_length(indices, kl)
    assert kl < length
    # Harsha et al. 2010: KL + 2·log₂(KL + 1) + O(1).
    assert length < kl + 2 * np.log2(kl + 1) + 5


def test_samples_of_the_ratio_stand_for_a_continuous_pair():
    """The code length of a Gaussian pair, from samples and from a fine grid."""
    q, p, kl = _gaussian_pair(1.0, 0.5, cells=2000)
    fine = zipf_length(greedy_rejection(q, p), kl)
    rng = np.random.default_rng(0)
    lengths = []
    for _ in range(8):
        z = rng.normal(size=4000)
        ratios = (norm.logpdf(z, 1.0, 0.5) - norm.logpdf(z)) / np.log(2)
        lengths.append(zipf_length(greedy_rejection(*ratio_alphabet(ratios)), kl))
    assert np.mean(lengths) == pytest.approx(fine, abs=4 * np.std(lengths) / np.sqrt(7))
    with pytest.raises(ValueError, match="draw more"):
        ratio_alphabet([-1.0, 0.0])


@pytest.mark.parametrize("information", [0.0, 0.7, 5.0])
def test_an_index_is_charged_by_the_zipf_law_of_its_information(information):
    """−Σ P(k)·log₂ p(k) with p(k) ∝ k^−s summed by hand: the exponent, and that p is normalized."""
    indices = np.array([0.5, 0.2, 0.2, 0.0, 0.1])
    s = 1 + 1 / (information + np.log2(np.e) / np.e + 1)
    k = np.arange(1, 1_000_001, dtype=float)
    # The sum's tail, by Euler and Maclaurin.
    total = (k**-s).sum() + k[-1] ** (1 - s) / (s - 1) - 0.5 * k[-1] ** -s
    expected = -(indices * np.log2(k[:5] ** -s / total)).sum()
    assert zipf_length(indices, information) == pytest.approx(expected, rel=1e-9)


def test_the_bias_of_importance_sampling_by_hand():
    """Ratios 0 and 4 bits, KL = 1; t = 2 leaves a quarter beyond KL + 1, t = 8 none beyond 5."""
    ratios = np.array([0.0, 0.0, 0.0, 4.0])
    for t, late in ((0.0, 0.25), (2.0, 0.25), (8.0, 0.0)):
        expected = np.sqrt(2 ** (-t / 4) + 2 * np.sqrt(late))
        assert importance_bias(ratios, t) == pytest.approx(expected, rel=1e-12)


def test_equal_distributions_need_one_candidate():
    p = np.full(8, 1 / 8)
    np.testing.assert_allclose(greedy_rejection(p, p)[:2], [1, 0], atol=1e-12)


def test_more_candidates_leave_less_bias():
    rng = np.random.default_rng(0)
    z = rng.normal(1.0, 0.5, 100_000)
    ratios = (norm.logpdf(z, 1.0, 0.5) - norm.logpdf(z)) / np.log(2)
    bias = [importance_bias(ratios, t) for t in (0.0, 5.0, 20.0, 60.0)]
    assert bias == sorted(bias, reverse=True)
    assert bias[-1] < 0.01
    # Where the ratio is constant only the first term is left.
    assert importance_bias(np.zeros(10), 8.0) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: greedy_rejection([1.0, 0.0], [0.0, 1.0]), "p > 0"),
        (lambda: greedy_rejection([0.5, 0.2], [0.5, 0.5]), "q must be numbers ≥ 0 that sum to one"),
        (lambda: greedy_rejection([1.0], [0.5, 0.5]), "share an alphabet"),
        (lambda: importance_bias([1.0], -1.0), "negative"),
        (lambda: importance_length(1.0, -1.0), "negative"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
