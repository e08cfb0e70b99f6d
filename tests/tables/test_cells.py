import math
from pathlib import Path

import pytest

from rdbound.tables.cells import integer, number, optional, read_cells, text


@pytest.mark.parametrize(
    ("reader", "cell", "value"),
    [
        (text, "a", "a"),
        (number(), "-1e-3", -0.001),
        (number(least=0.0), "0", 0.0),
        (number(finite=False), "-inf", -math.inf),
        (optional(number()), "", None),
        (optional(number()), "2", 2.0),
        (integer(), "9007199254740993", 9007199254740993),  # 2⁵³ + 1, which no float is
        (integer(least=1), "155550.0", 155550),
    ],
)
def test_a_cell_is_read(reader, cell, value):
    assert reader(cell) == value


def test_what_is_not_a_number_may_be_kept():
    assert math.isnan(number(least=0.0, finite=False)("nan"))


@pytest.mark.parametrize(
    ("reader", "cell", "wrong"),
    [
        (text, "", "is empty"),
        (number(), "", "is not a number"),
        (number(), "nan", "is not a finite number"),
        (number(least=0.0), "-1e-9", "is below 0"),
        (number(above=0.0), "0", "is not above 0"),
        (integer(), "1.5", "is not a whole number"),
        (integer(least=1), "0", "is below 1"),
        (optional(number()), "x", "is not a number"),
    ],
)
def test_a_cell_is_refused_with_its_place(reader, cell, wrong):
    with pytest.raises(ValueError, match=f"^t.csv, line 7: a = '{cell}' {wrong}$"):
        read_cells(Path("t.csv"), 7, {"b": "", "a": cell}, {"a": reader})


def test_a_message_repeats_the_start_of_a_long_cell():
    with pytest.raises(ValueError, match=r"^t.csv, line 2: a = 'x{40}…' is not a number$"):
        read_cells(Path("t.csv"), 2, {"a": 10_000 * "x"}, {"a": number()})
