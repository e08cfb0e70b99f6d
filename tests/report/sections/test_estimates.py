from rdbound.report.document import Note, Table
from rdbound.report.sections.estimates import (
    answers_report,
    answers_section,
    posterior_family_table,
    verdict,
)
from rdbound.tables.gaps import Gap
from tests.answers import make_answer

ANSWERS = [
    make_answer(method="neural-upper", rate=0.52, seconds=2.04),
    make_answer(method="neural-upper-full", rate=0.51, status="stopped early"),
    make_answer(method="shannon-lower", side="lower", exact_rate=None, exact_J=None),
]


def test_each_answer_is_a_row_beside_the_truth():
    table, status = answers_section(ANSWERS).blocks
    assert table.header[2] == "side"
    assert table.rows[0] == (
        "s",
        "neural-upper",
        "upper",
        "1",
        "0.52000",
        "0.5",
        "1.02000",
        "0.50000",
        "+2.00e-02",
        "+2.0",
        "2.0",
    )
    assert table.rows[2][7:10] == ("", "", "")
    assert status == Note("s: neural-upper-full, λ = 1: stopped early")


def test_a_report_holds_gaps_where_there_are_any_and_a_verdict():
    document = answers_report(ANSWERS)
    assert document.title == "Known answers"
    assert [p.stem for p in document.pictures] == ["answers"]
    tables = [b for s in document.sections for b in s.blocks if isinstance(b, Table)]
    assert tables[1].rows[0][:3] == ("s", "posterior-family-full", "1")
    assert document.sections[-1].blocks == (Note("No bound lies on the wrong side."),)
    document = answers_report([make_answer(rate=0.4)])
    assert len([b for s in document.sections for b in s.blocks if isinstance(b, Table)]) == 1
    assert document.sections[-1].blocks[0].text.startswith("WRONG: m on s at λ = 1: J misses")


def test_the_verdict_is_the_violations():
    assert verdict([make_answer()]) == ["No bound lies on the wrong side."]
    assert len(verdict([make_answer(rate=0.4), make_answer(rate=float("nan"))])) == 2


def test_posterior_family_gaps_have_their_intervals():
    gap = Gap("ar1", "mean", 1.0, "posterior-family-full", 0.1, 0.09, 0.11)
    assert posterior_family_table([gap]).rows == (
        ("ar1", "posterior-family-full", "1", "+0.1000 [+0.0900, +0.1100]"),
    )
