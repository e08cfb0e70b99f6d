"""Counted tables: which one serves a penalty, and what frequencies they hold."""

import numpy as np
import pytest

from rdbound.coding.coders.vbq.tables import NODES, PENALTIES, PRIOR_SCALES, counted_tables, node_of
from rdbound.coding.entropy.frequency_tables import TOTAL
from rdbound.ops.code_points import REACH

SYMBOLS = 2 * REACH + 2


def test_the_nearest_penalty_has_the_tables():
    for node, penalty in enumerate(PENALTIES):
        for factor in (0.51, 1.0, 1.99):
            assert node_of(factor * penalty) == node
    assert PENALTIES[3] == pytest.approx(np.log(2))
    assert node_of(1e-9) == 0
    assert node_of(1e9) == NODES - 1


def test_frequencies_are_those_counted_and_mirrored():
    counts = np.zeros((NODES, PRIOR_SCALES.levels, SYMBOLS), int)
    counts[2, 5, REACH] = 600_000
    counts[2, 5, REACH + 3] = 300_000
    counts[2, 5, REACH - 3] = 60_000
    counts[2, 5, -1] = 40_000
    table = counted_tables(counts)[2 * PRIOR_SCALES.levels + 5]
    assert table.reach == REACH
    shares = table.frequencies / TOTAL
    np.testing.assert_allclose(
        shares[[REACH, REACH + 3, REACH - 3, -1]], [0.6, 0.18, 0.18, 0.04], atol=1e-3
    )


def test_scales_that_were_not_seen_take_the_frequencies_of_the_others():
    counts = np.zeros((NODES, PRIOR_SCALES.levels, SYMBOLS), int)
    counts[0, 7, [REACH, REACH + 1, REACH - 1]] = [500, 250, 250]
    table = counted_tables(counts)[3]
    shares = table.frequencies[[REACH, REACH + 1, REACH - 1]] / TOTAL
    np.testing.assert_allclose(shares, [0.5, 0.25, 0.25], atol=0.02)
