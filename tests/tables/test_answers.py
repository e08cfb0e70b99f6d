import pytest

from rdbound.tables.answers import read_answers, write_answers
from tests.answers import make_answer


def test_a_table_reads_as_it_was_written(tmp_path):
    answers = [
        make_answer(),
        make_answer(exact_rate=None, exact_slope=None, exact_J=None, status="stopped, early"),
    ]
    write_answers(tmp_path / "answers.csv", answers)
    assert read_answers(tmp_path / "answers.csv") == answers
    assert answers[0].error == pytest.approx(0.0)
    assert answers[1].error is None
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="lacks the column source"):
        read_answers(tmp_path / "other.csv")
