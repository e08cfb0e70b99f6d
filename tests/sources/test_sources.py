import jax
import numpy as np
import pytest
from scipy.optimize import minimize

from rdbound.sources import SOURCES, Source, exact_rate, make_source
from rdbound.sources.empirical import Empirical
from rdbound.sources.gaussian import GaussianSource, ar1_asymptotic
from rdbound.theory import make_method

# Every source but the empirical one, with λ at which theory has an answer.
FAMILY = {
    "ar1": ({"dimension": 5, "correlation": 0.8}, 2.0),
    "banana": ({}, None),
    "bernoulli": ({"p": 0.3}, 3.0),
    "circle": ({"noise": 0.2}, 30.0),
    "finite": ({"probabilities": [0.5, 0.3, 0.2]}, 2.0),
    "gaussian": ({"variances": [1.0, 3.0]}, 0.5),
    "laplacian": ({"scale": 2.0}, 3.0),
    "manifold": ({"intrinsic": 2, "dimension": 7}, None),
    "mixture": ({"means": [[0.0], [1.0], [3.0]], "noise": 0.3}, 20.0),
    "noisy-uniform": ({"noise": 0.3}, 20.0),
    "patches": ({"size": 3, "per_image": 10}, None),
    "random-gaussian": ({"dimension": 6, "rotated": True}, 1.0),
    "sawbridge": ({"dimension": 64}, None),
    "uniform": ({"width": 2.0}, None),
    "uniform-finite": ({"k": 4}, 2.0),
}
WITH_DENSITY = (
    "ar1",
    "banana",
    "circle",
    "gaussian",
    "laplacian",
    "mixture",
    "noisy-uniform",
    "random-gaussian",
    "uniform",
)
KNOWN = {name: case for name, case in FAMILY.items() if case[1] is not None}


def h(p):
    return float(-p * np.log2(p) - (1 - p) * np.log2(1 - p))


def test_the_family_is_whole():
    assert set(FAMILY) | {"empirical"} == set(SOURCES)


@pytest.mark.parametrize("name", FAMILY)
def test_a_source_draws_what_its_key_says(name, key):
    source = make_source(name, **FAMILY[name][0])
    assert isinstance(source, Source)
    x = source.sample(key, 7)
    assert x.shape == (7, source.dimension)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, source.sample(key, 7))
    assert (x != source.sample(jax.random.key(1), 7)).any()


@pytest.mark.parametrize("name", FAMILY)
def test_lambda_must_be_positive(name):
    source = make_source(name, **FAMILY[name][0])
    with pytest.raises(ValueError, match="must be positive"):
        source.exact(0.0)


@pytest.mark.parametrize("name", KNOWN)
def test_the_exact_point_is_on_a_convex_falling_curve(name):
    """R(D) by duality from all λ is R at the point itself, and the slope there is −λ."""
    options, lmbda = FAMILY[name]
    source = make_source(name, **options)
    point = source.exact(lmbda)
    assert exact_rate(source, point.distortion) == pytest.approx(point.rate, abs=1e-6)
    step = 1e-3 * point.distortion
    low, high = (exact_rate(source, point.distortion + s) for s in (-step, step))
    assert (high - low) / (2 * step) == pytest.approx(-lmbda, rel=2e-2)


@pytest.mark.parametrize("name", WITH_DENSITY)
def test_entropy_is_the_mean_of_the_log_density(name, key):
    source = make_source(name, **FAMILY[name][0])
    values = -source.log2_density(np.asarray(source.sample(key, 100_000), np.float64))
    error = values.std() / np.sqrt(len(values))
    assert values.mean() == pytest.approx(source.entropy, abs=4 * error + 1e-12)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.7])
def test_bernoulli_is_the_difference_of_entropies(p):
    point = make_source("bernoulli", p=p).exact(4.0)
    assert point.rate == pytest.approx(h(p) - h(point.distortion), abs=1e-12)
    # Below its slope at D_max the best is to send nothing.
    flat = make_source("bernoulli", p=p).exact(0.1)
    assert p == 0.5 or flat == pytest.approx((0.0, min(p, 1 - p)))


def test_uniform_symbols_have_their_closed_form():
    k = 6
    point = make_source("uniform-finite", k=k).exact(3.0)
    d = point.distortion
    assert point.rate == pytest.approx(np.log2(k) - h(d) - d * np.log2(k - 1), abs=1e-12)


def test_a_covariance_has_the_rate_of_its_eigenvalues(rng):
    a = rng.normal(size=(4, 4))
    covariance = a @ a.T
    variances = np.linalg.eigvalsh(covariance)
    for lmbda in (0.05, 0.5, 5.0):
        np.testing.assert_allclose(
            GaussianSource(covariance=covariance).exact(lmbda),
            GaussianSource(variances).exact(lmbda),
        )
    x = np.asarray(GaussianSource(covariance=covariance).sample(jax.random.key(0), 200_000))
    error = 5 * np.sqrt(2 / len(x)) * np.abs(covariance).max()
    np.testing.assert_allclose(np.cov(x.T), covariance, atol=error)


def test_a_long_ar1_vector_has_the_rate_of_its_spectrum():
    """The eigenvalues of a Toeplitz matrix are distributed as its symbol, up to O(1/n)."""
    exact = ar1_asymptotic(2.0, 0.9)
    errors = [
        abs(make_source("ar1", dimension=n, correlation=0.9).exact(2.0).J(2.0) - exact.J(2.0))
        for n in (100, 400)
    ]
    assert errors[1] < 0.003
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.1)


@pytest.mark.parametrize("lmbda", [8.0, 14.0, 30.0, 100.0])
def test_the_sawbridge_optimum_beats_every_partition(lmbda, rng):
    """Against direct minimization of H(p) + λ·Σp²/6 over partitions of up to twelve cells."""
    best = make_source("sawbridge").one_shot(lmbda).J(lmbda)

    def J(logits):
        p = np.exp(logits - logits.max())
        p /= p.sum()
        return float(-(p * np.log2(p + 1e-300)).sum() + lmbda * (p**2).sum() / 6)

    found = min(minimize(J, rng.normal(size=12) * 2).fun for _ in range(8))
    found = min([found, *(J(np.zeros(m)) for m in range(1, 13))])
    assert best <= found + 1e-9
    assert best == pytest.approx(found, abs=1e-4)


def test_a_noisy_source_touches_its_shannon_bound_only_up_to_the_noise():
    source = make_source("circle", noise=0.2)
    edge = 1 / (2 * np.log(2) * 0.04)
    assert source.exact(edge) is not None
    assert source.exact(0.99 * edge) is None
    assert exact_rate(source, 0.05) is None, "a tangent is not the truth"
    assert exact_rate(source, 0.04) == pytest.approx(source.exact(edge).rate)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gausian", {}, "unknown source 'gausian'"),
        ("gaussian", {"size": 3}, "source 'gaussian'"),
        ("gaussian", {}, "either variances or a covariance"),
        ("gaussian", {"variances": [1.0, -1.0]}, "not negative"),
        ("gaussian", {"covariance": [[1.0, 2.0], [2.0, 1.0]]}, "negative eigenvalue -1"),
        ("gaussian", {"covariance": [[1.0, 2.0, 3.0]]}, "symmetric"),
        ("ar1", {"dimension": 3, "correlation": 1.0}, "correlation: .*less than 1, found 1.0"),
        ("bernoulli", {"p": 1.2}, "source 'bernoulli': p: .*less than 1, found 1.2"),
        ("finite", {"probabilities": [0.5, 0.6]}, "sum to 1.1"),
        ("finite", {"probabilities": [0.5, 0.5], "matrix": [[0.0, 1.0]]}, r"shape \(1, 2\)"),
        ("finite", {"probabilities": [0.5, 0.5], "matrix": [[0, -1], [1, 0]]}, "not negative"),
        ("uniform-finite", {"k": 1}, "k: .*greater than or equal to 2, found 1"),
        ("circle", {"noise": 0.0}, "noise: .*greater than 0, found 0.0"),
        ("laplacian", {"scale": -1.0}, "scale: .*greater than 0, found -1.0"),
        ("laplacian", {"scale": "wide"}, "source 'laplacian': scale: .*, found 'wide'"),
        ("uniform", {"width": float("inf")}, "width: .*finite number, found inf"),
        ("banana", {"short": 0.0}, "short: .*greater than 0, found 0.0"),
        ("ar1", {"dimension": 0, "correlation": 0.5}, "dimension: .*greater than 0, found 0"),
        ("finite", {"probabilities": [1.0], "matrix": [[]]}, r"shape \(1, 0\)"),
        ("mixture", {"means": [[0.0]], "noise": 1.0, "weights": [0.5]}, "sum to 0.5"),
        ("mixture", {"means": [[0.0], [1.0]], "noise": 1.0, "weights": [1.5, -0.5]}, "weights"),
        ("manifold", {"intrinsic": 9, "dimension": 3}, "does not fit"),
        ("empirical", {"path": "nowhere.npy"}, "nowhere.npy"),
        ("mixture", {"means": [], "noise": 1.0}, "list of vectors"),
        ("mixture", {"means": [[float("nan")]], "noise": 1.0}, "list of vectors"),
        ("banana", {"bend": float("nan")}, "bend: .*finite number, found nan"),
        ("sawbridge", {"dimension": 2.5}, "dimension: .*valid integer.*, found 2.5"),
        ("gaussian", {"covariance": [[float("nan")]]}, "finite numbers"),
        ("ar1", {"dimension": 10**7, "correlation": 0.5}, "GiB of memory"),
        ("random-gaussian", {"dimension": 10**7, "rotated": True}, "GiB of memory"),
        ("uniform-finite", {"k": 10**7}, "GiB of memory"),
        ("patches", {"size": 0, "per_image": 1}, "size: .*greater than 0, found 0"),
        ("patches", {"size": 4, "per_image": -1}, "per_image: .*greater than 0, found -1"),
    ],
)
def test_mistakes_are_named_in_one_line(name, options, message):
    with pytest.raises(ValueError, match=message) as error:
        make_source(name, **options)
    assert "\n" not in str(error.value)


def test_an_empirical_source_draws_its_rows(tmp_path, key, rng):
    data = rng.normal(size=(50, 3)).astype(np.float32)
    np.save(tmp_path / "rows.npy", data)
    source = make_source("empirical", path=str(tmp_path / "rows.npy"))
    drawn = np.asarray(source.sample(key, 200))
    assert {tuple(r) for r in drawn} <= {tuple(r) for r in data}
    fit, held = source.split(0.8)
    assert len(fit.data) == 40
    assert {tuple(r) for r in fit.data}.isdisjoint(tuple(r) for r in held.data)
    patches = Empirical.from_patches([np.full((9, 9, 3), 51, np.uint8)], 4, 5)
    np.testing.assert_allclose(patches.data, np.full((5, 16), 0.2), rtol=1e-6)
    with pytest.raises(ValueError, match="not one of shape"):
        Empirical(np.zeros(3))
    with pytest.raises(ValueError, match=r"with both, not one of shape \(5, 0\)"):
        Empirical(np.zeros((5, 0)))


def test_slopes_at_both_ends_keep_their_sense():
    source = make_source("finite", probabilities=[0.5, 0.3, 0.2])
    assert source.exact(1e-17) == (0.0, pytest.approx(0.5))
    steep = source.exact(60.0)
    assert steep.rate == pytest.approx(source.entropy)
    assert exact_rate(source, 1e-9) == pytest.approx(source.entropy, abs=1e-6)
    with pytest.raises(ValueError, match="λ = inf"):
        source.exact(np.inf)
    many = make_source("sawbridge").one_shot(1e6)
    (estimate,) = make_method("one-shot").solve(make_source("sawbridge", dimension=10), [1e5])
    assert estimate.rate == pytest.approx(many.rate / 10)
    assert pytest.approx(many.J(1e6) / 10) == estimate.J
    assert many.rate == pytest.approx(np.log2(1e6 * np.log(2) / 6), abs=1e-3)


@pytest.mark.parametrize("content", [b"", b"PK12", b"junk"])
def test_files_that_are_no_arrays(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.npy"):
        make_source("empirical", path=str(tmp_path / "x.npy"))
    with pytest.raises(ValueError, match="real numbers"):
        Empirical(np.ones((2, 2), complex))
