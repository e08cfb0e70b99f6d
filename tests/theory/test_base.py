"""What an estimate remembers and answers."""

import jax
import numpy as np
import pytest

from rdbound.ops.gaussian import LN2
from rdbound.sources import make_source
from rdbound.theory import Estimate, make_method
from rdbound.theory.wasserstein import held_out

FINITE = make_source("finite", probabilities=[0.5, 0.3, 0.2])
GAUSSIAN = make_source("gaussian", variances=[1.0, 3.0])


def _estimate(side, J, exact_at=2.0):
    """An estimate whose J is ``J`` bits above the exact one, with a standard error of 0.01."""
    point = GAUSSIAN.exact(exact_at)
    return Estimate(
        source=GAUSSIAN,
        method=make_method("exact"),
        side=side,
        lmbda=exact_at,
        rate=point.rate + J,
        distortion=point.distortion,
        standard_error=0.01,
        certificate=None,
    )


def test_an_estimate_can_be_solved_again():
    method = make_method("wasserstein", particles=8, samples=100, batch=50, steps=5, test=100)
    (first,) = method.solve(make_source("banana"), [1.0], seed=3)
    (again,) = first.method.solve(first.source, [first.lmbda], first.seed)
    assert (again.rate, again.distortion) == (first.rate, first.distortion)
    np.testing.assert_array_equal(again.certificate.y, first.certificate.y)
    np.testing.assert_array_equal(again.trace, first.trace)


def test_the_certificate_of_blahut_arimoto_gives_the_point():
    (estimate,) = make_method("blahut-arimoto").solve(FINITE, [2.0])
    q, p = estimate.certificate.q, FINITE.probabilities
    joint = 2.0 ** (-2.0 * FINITE.matrix) * q
    assert -p @ np.log2(joint.sum(1)) == pytest.approx(estimate.J, abs=1e-6)
    assert estimate.certificate.lower <= FINITE.exact(2.0).J(2.0) <= estimate.certificate.upper


def test_the_trace_of_blahut_arimoto_is_the_width_of_the_certificate():
    method = make_method("blahut-arimoto", points=40, compare=False)
    (estimate,) = method.solve(make_source("gaussian", variances=[1.0]), [2.0])
    assert estimate.trace[-1] <= 1e-6 < estimate.trace[0]
    assert np.isfinite(estimate.trace).all()
    width = estimate.certificate.upper - estimate.certificate.lower
    assert estimate.trace[-1] == pytest.approx(width, rel=1e-3, abs=1e-12)
    assert estimate.certificate.grid.points.shape == (40, 1)


def test_the_particles_give_the_point_and_their_trace_falls_to_it():
    source = make_source("banana")
    method = make_method("wasserstein", particles=16, samples=1000, batch=1000, steps=60, test=4000)
    (estimate,) = method.solve(source, [1.0])
    found = held_out(estimate.certificate, source.sample(jax.random.key(2**30), 4000), 1.0)
    assert found.mean[0] == estimate.rate
    assert estimate.trace.shape == (60,)
    assert estimate.trace[-1] < estimate.trace[0]
    assert estimate.trace[-1] == pytest.approx(estimate.J, abs=0.2)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("nerd", {"hidden": (8,), "samples": 64, "batch": 64, "steps": 40, "test": 400}),
        ("neural-upper", {"hidden": (), "batch": 64, "steps": 40, "test": 400}),
    ],
)
def test_a_trained_network_is_kept_with_its_trace(name, options):
    (estimate,) = make_method(name, **options).solve(GAUSSIAN, [1.0])
    assert estimate.trace.shape == (40,)
    assert np.mean(estimate.trace[-10:]) < np.mean(estimate.trace[:10])
    assert estimate.is_upper_bound
    assert not estimate.is_lower_bound
    network = estimate.certificate
    if name == "nerd":
        assert network(np.zeros(2, np.float32)).shape == (2,)
    else:
        assert network.infer(np.zeros(2, np.float32), 1.0)[0].mu.shape == (2,)


def test_the_dual_function_of_a_lower_bound_is_kept():
    method = make_method("neural-lower", hidden=(8,), samples=64, steps=40, repeats=4)
    (estimate,) = method.solve(GAUSSIAN, [1.0])
    dual = estimate.certificate
    assert dual.xi.shape == (4,)
    assert np.isfinite(float(dual.log_u(np.zeros(2, np.float32))))
    # The objective of the last tenth of the steps is a bound of the same kind.
    assert np.mean(estimate.trace[-4:]) == pytest.approx(dual.xi.mean() / LN2 / 2, abs=0.3)
    assert estimate.is_lower_bound
    assert not estimate.is_upper_bound


def test_an_estimate_knows_whether_it_contradicts_the_exact_value():
    assert _estimate("upper", 0.2).is_consistent()
    assert not _estimate("upper", -0.2).is_consistent()
    assert _estimate("upper", -0.025).is_consistent()
    assert not _estimate("upper", -0.025).is_consistent(standard_errors=2.0)
    assert _estimate("lower", -0.2).is_consistent()
    assert not _estimate("lower", 0.2).is_consistent()
    assert not _estimate("exact", 0.2).is_consistent()
    assert not _estimate("exact", -0.2).is_consistent()
    assert _estimate("estimate", -0.2).is_consistent()
    unknown = make_source("banana")
    (bound,) = make_method("shannon-lower").solve(unknown, [1.0])
    assert bound.exact is None
    assert bound.is_consistent() is None
    assert bound.certificate == unknown.entropy


def test_the_row_of_an_estimate_is_beside_the_exact_values():
    estimate = _estimate("upper", 0.2)
    row = estimate.row("pair", "m")
    assert (row.source, row.method, row.side, row.lmbda) == ("pair", "m", "upper", 2.0)
    assert (row.rate, row.distortion) == (estimate.rate, estimate.distortion)
    assert row.error == pytest.approx(0.2)
    assert row.exact_rate == pytest.approx(GAUSSIAN.exact(2.0).rate)
    assert row.exact_slope == pytest.approx(2.0, rel=1e-3)
    assert (estimate.row().source, estimate.row().method) == ("GaussianSource", "exact")
