import re

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.optimize import minimize
from scipy.stats import norm

from rdbound.ops.gaussian import LN2
from rdbound.sources import make_source
from rdbound.theory.blahut_arimoto import BlahutArimoto, blahut_arimoto
from rdbound.theory.discretization import TAIL, discretize


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("bernoulli", {"p": 0.2}),
        ("uniform-finite", {"k": 7}),
        ("finite", {"probabilities": [0.6, 0.2, 0.1, 0.05, 0.05]}),
    ],
)
def test_closed_forms_of_finite_sources(name, options):
    source = make_source(name, **options)
    for estimate in BlahutArimoto().solve(source, [0.5, 1.5, 3.0, 6.0, 12.0]):
        exact = source.exact(estimate.lmbda)
        assert estimate.side == "exact"
        assert estimate.tolerance <= 1e-6
        assert pytest.approx(exact.J(estimate.lmbda), abs=1e-6) == estimate.J


@pytest.mark.parametrize("seed", range(4))
def test_random_problems_against_direct_minimization(seed):
    """SLSQP on the simplex, which knows neither Blahut's update nor its bounds."""
    rng = np.random.default_rng(seed)
    p, matrix = rng.dirichlet(np.ones(20)), rng.uniform(0, 2, (20, 20))
    lmbdas = [0.5, 2.0, 8.0]
    found = blahut_arimoto(p, matrix, lmbdas)
    for i, lmbda in enumerate(lmbdas):
        kernel = 2.0 ** (-lmbda * matrix)

        def J(q, kernel=kernel):
            return -p @ np.log2(kernel @ q)

        def gradient(q, kernel=kernel):
            return -(p / (kernel @ q)) @ kernel / np.log(2)

        direct = minimize(
            J,
            np.full(20, 0.05),
            jac=gradient,
            bounds=[(0, 1)] * 20,
            method="SLSQP",
            constraints={"type": "eq", "fun": lambda q: q.sum() - 1, "jac": np.ones_like},
            options={"maxiter": 500, "ftol": 1e-14},
        )
        assert found.upper[i] - found.lower[i] <= 1e-6
        assert found.lower[i] - 1e-9 <= direct.fun + 1e-7
        assert direct.fun == pytest.approx(found.upper[i], abs=2e-6)
        # R and D are those of the channel that q induces.
        joint = p[:, None] * kernel * found.q[i] / (kernel @ found.q[i])[:, None]
        assert found.distortion[i] == pytest.approx((joint * matrix).sum())
        marginal = joint.sum(0)
        information = np.nansum(joint * np.log2(joint / (p[:, None] * marginal)))
        assert information == pytest.approx(found.rate[i], abs=1e-5)


def test_the_certificate_holds_however_early_one_stops():
    source = make_source("finite", probabilities=[0.4, 0.3, 0.2, 0.1])
    exact = source.exact(2.0).J(2.0)
    for steps in (0, 1, 3, 8):
        found = blahut_arimoto(source.probabilities, source.matrix, [2.0], 0.0, steps)
        assert found.lower[0] - 1e-12 <= exact <= found.upper[0] + 1e-12


def test_a_discretized_gaussian_is_within_1e_4_bits():
    source = make_source("gaussian", variances=[1.0])
    for estimate in BlahutArimoto(points=500).solve(source, [0.9, 2.0]):
        error = estimate.J - source.exact(estimate.lmbda).J(estimate.lmbda)
        assert 0 <= error < 1e-4
        assert estimate.tolerance <= 1e-6
        assert estimate.side == "upper"
        # An error that falls with the square of the spacing: four times at half the points.
        said = float(re.search(r"J is (\S+) bits higher", estimate.status)[1])
        assert said == pytest.approx(3 * error, rel=0.1)
    (crude,) = BlahutArimoto(points=4, extent=2.0).solve(source, [0.9])
    assert not crude.status  # two points are no grid to compare with


def test_a_rectangular_alphabet_and_symbols_of_no_probability():
    """Three reproductions of four symbols; one symbol never occurs."""
    p = [0.5, 0.5, 0.0, 0.0]
    matrix = [[0, 1, 1], [1, 0, 1], [1, 1, 0], [5, 5, 5]]
    found = blahut_arimoto(p, matrix, [3.0])
    exact = make_source("bernoulli", p=0.5).exact(3.0)
    assert found.upper[0] == pytest.approx(exact.J(3.0), abs=1e-6)


def test_extreme_slopes_stay_finite():
    grid = discretize(make_source("gaussian", variances=[1.0]), 60)
    found = blahut_arimoto(grid.probabilities, grid.matrix(), [1e-4, 1e6])
    assert np.isfinite(found.upper).all()
    entropy = -(grid.probabilities * np.log2(grid.probabilities)).sum()
    assert found.rate[0] == pytest.approx(0, abs=1e-6)
    assert found.rate[1] == pytest.approx(entropy, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5, 0.4], np.eye(2), [1.0]), "sum to 0.9"),
        (([0.5, 0.5], np.eye(3), [1.0]), r"shape \(3, 3\)"),
        (([0.5, 0.5], np.eye(2), [-1.0]), "must be positive"),
        (([0.5, 0.5], np.eye(2), []), "no λ"),
        ((np.full(10**6, 1e-6), np.broadcast_to(0.0, (10**6, 10**6)), [1.0]), "GiB of memory"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        blahut_arimoto(*arguments)
    assert "\n" not in str(error.value)


def test_the_default_precision_is_left_as_it_was():
    blahut_arimoto([0.5, 0.5], 1 - np.eye(2), [1.0])
    assert jnp.zeros(1, float).dtype == jnp.float32


@pytest.mark.parametrize(
    ("name", "options"),
    [("laplacian", {}), ("gaussian", {"variances": [1.0]}), ("noisy-uniform", {"noise": 0.3})],
)
@pytest.mark.parametrize("extent", [3.0, 6.0])
def test_a_grid_is_above_the_truth_by_no_more_than_it_says(name, options, extent):
    """Even a grid that ends early: its outermost cells hold the tails."""
    source = make_source(name, **options)
    grid = discretize(source, 64, extent)
    assert grid.probabilities.sum() == pytest.approx(1)
    for lmbda in (10.0, 20.0):
        found = blahut_arimoto(grid.probabilities, grid.matrix(), [lmbda])
        error = found.upper[0] - source.exact(lmbda).J(lmbda)
        assert 0 <= error <= grid.error(lmbda, float(found.distortion[0]))


def test_the_displacement_of_a_uniform_density_is_that_of_its_cells():
    grid = discretize(make_source("uniform"), 64)
    assert grid.displacement == pytest.approx((1 / 64) ** 2 / 12, rel=1e-6)


@pytest.mark.parametrize(
    "options", [{"variances": [1.0, 3.0]}, {"covariance": [[1.0, 0.8], [0.8, 1.0]]}]
)
def test_a_gaussian_of_two_dimensions_on_a_grid(options):
    source = make_source("gaussian", **options)
    (estimate,) = BlahutArimoto(points=32, extent=4.5).solve(source, [1.0])
    exact = source.exact(1.0).J(1.0)
    assert exact <= estimate.J < 1.03 * exact


def test_a_grid_of_two_dimensions_is_the_product_of_two():
    one = discretize(make_source("gaussian", variances=[1.0]), 20)
    two = discretize(make_source("mixture", means=[[0.0, 0.0]], noise=1.0), 20)
    assert two.displacement == pytest.approx(one.displacement, rel=2e-2)
    assert len(two.probabilities) == 400
    assert two.probabilities.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "options", "points", "message"),
    [
        ("gaussian", {"variances": [1.0] * 4}, 10, "at most 3 dimensions"),
        ("manifold", {"intrinsic": 1, "dimension": 2}, 10, "no density"),
        ("banana", {}, 3000, "GiB of memory"),
        ("gaussian", {"variances": [1.0]}, 2, "three points"),
        ("gaussian", {"variances": [0.0]}, 10, "singular"),
    ],
)
def test_a_grid_refuses(name, options, points, message):
    with pytest.raises(ValueError, match=message):
        discretize(make_source(name, **options), points)


def test_a_grid_that_misses_probability_is_refused():
    with pytest.raises(ValueError, match=r"raise extent, now 1, .* or points, now 20"):
        discretize(make_source("laplacian"), 20, 1.0)


@pytest.mark.parametrize(
    ("name", "options", "extent", "tail"),
    [
        ("gaussian", {"variances": [4.0]}, 1.14, lambda end: 2 * norm.sf(end / 2)),
        ("laplacian", {}, 2.1, lambda end: np.exp(-end)),
    ],
)
def test_what_the_grid_lost_is_in_its_tolerance(name, options, extent, tail):
    """A grid that ends at ±extent·TAIL standard deviations lacks the mass of the tails."""
    source, lmbda = make_source(name, **options), 30.0
    grid = discretize(source, 200, extent)
    end = 2 * TAIL * extent if name == "gaussian" else TAIL * extent * np.sqrt(2)
    assert grid.lost == pytest.approx(tail(end), rel=0.1)
    assert 1e-6 < grid.lost < 1e-5
    span = (2 * end) ** 2 if name == "gaussian" else 2 * end
    method = BlahutArimoto(points=200, extent=extent, compare=False)
    (estimate,) = method.solve(source, [lmbda])
    certificate = estimate.tolerance - grid.missed(lmbda)
    assert grid.missed(lmbda) == pytest.approx(grid.lost * lmbda * span, rel=0.05)
    assert -1e-12 <= certificate <= 1e-6
    # A reproduction drawn without looking, for the tail's own x: what the lost mass can cost.
    x = np.linspace(end, 3 * end, 100_001)
    density = 2 * np.exp(LN2 * source.log2_density(x[:, None]))
    matrix = np.abs(np.subtract.outer(x, grid.points[:, 0]))
    matrix = matrix**2 if name == "gaussian" else matrix
    cost = lmbda * trapezoid(density * (matrix @ grid.probabilities), x)
    assert 0.1 * grid.missed(lmbda) < cost < grid.missed(lmbda)


def test_a_grid_with_no_loss_has_its_certificate_for_a_tolerance():
    (estimate,) = BlahutArimoto(points=60, compare=False).solve(make_source("uniform"), [9.0])
    assert estimate.tolerance <= 1e-6
    assert discretize(make_source("uniform"), 60).missed(9.0) < 1e-13


@pytest.mark.slow
def test_an_alphabet_of_two_thousand():
    grid = discretize(make_source("gaussian", variances=[1.0]), 2000)
    found = blahut_arimoto(grid.probabilities, grid.matrix(), [2.0])
    assert found.upper[0] - found.lower[0] <= 1e-6
