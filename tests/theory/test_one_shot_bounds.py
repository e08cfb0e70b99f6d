import numpy as np
import pytest

from rdbound.theory.one_shot_bounds import (
    FUNCTIONAL,
    block_rate,
    functional_bound,
    least_excess,
)


def test_the_bound_is_the_formula_of_the_paper():
    assert functional_bound(7.0) == pytest.approx(7 + 3 + 4)
    for bound in FUNCTIONAL.values():
        assert "arXiv" in bound.source


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_long_blocks_cost_nothing_above_the_rate(name):
    rates = [block_rate(0.3, n, name) for n in (1, 10, 10**3, 10**6)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0.3, abs=1e-4)
    # A Kodak image of 0.3 bits a pixel, coded as one sample.
    assert round(100 * (block_rate(0.3, 512 * 768) / 0.3 - 1), 2) == 0.02


def test_the_best_constant_depends_on_the_rate():
    assert least_excess(1000.0) == pytest.approx(np.log2(1003.4) + 2)
    assert all(
        least_excess(i) <= functional_bound(i, name) - i + 1
        for name in FUNCTIONAL
        for i in (0.0, 0.1, 3.0, 1e4)
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: functional_bound(-1.0), "negative"),
        (lambda: functional_bound(1.0, "best"), "choose one of"),
        (lambda: block_rate(1.0, 0), "at least one"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
