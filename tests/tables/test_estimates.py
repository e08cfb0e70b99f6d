import pytest

from rdbound.tables.estimates import read_answers, write_answers
from tests.answers import make_answer


def test_a_table_reads_as_it_was_written(tmp_path):
    answers = [
        make_answer(),
        make_answer(exact_rate=None, exact_slope=None, exact_J=None, status="stopped, early"),
        make_answer(rate_error=0.0125, distortion_error=0.25),
    ]
    write_answers(tmp_path / "answers.csv", answers)
    assert read_answers(tmp_path / "answers.csv") == answers
    assert answers[0].error == pytest.approx(0.0)
    assert answers[1].error is None
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="lacks the column side"):
        read_answers(tmp_path / "other.csv")


def test_a_table_that_calls_the_side_kind_is_read(tmp_path):
    path = tmp_path / "answers.csv"
    write_answers(path, [make_answer(), make_answer(side="lower")])
    text = path.read_text()
    assert text.startswith("source,method,side,lmbda,")
    path.write_text(text.replace(",side,", ",kind,"))
    assert [a.side for a in read_answers(path)] == ["upper", "lower"]
    path.write_text(text.replace(",side,", ",sort,"))
    with pytest.raises(ValueError, match="lacks the column side"):
        read_answers(path)


def test_a_table_without_the_errors_of_rate_and_distortion_is_read(tmp_path):
    path = tmp_path / "answers.csv"
    write_answers(path, [make_answer(rate_error=0.1, distortion_error=0.2)])
    text = path.read_text().replace(",rate_error,distortion_error,", ",").replace(",0.1,0.2,", ",")
    path.write_text(text)
    assert read_answers(path) == [make_answer()]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (",0.625,", ",much,", "rate = 'much': .*valid number"),
        (",0.625,", ",,", "rate = '': .*valid number"),
        (",upper,2.0,", ",uper,2.0,", "side = 'uper': .*'exact', 'upper', 'lower' or 'estimate'"),
        (",2.0,", ",0.0,", "lmbda = '0.0': .*greater than 0"),
        (",0.01,0.0,", ",-0.01,0.0,", "standard_error = '-0.01': .*greater than or equal to 0"),
        ("second", "", "source = '': .*at least 1 character"),
    ],
)
def test_what_is_no_answer_is_named_by_line_and_column(tmp_path, before, after, message):
    path = tmp_path / "answers.csv"
    write_answers(path, [make_answer(), make_answer(source="second", lmbda=2.0, rate=0.625)])
    first, last = path.read_text().rsplit("second", 1)
    path.write_text(first + f"second{last}".replace(before, after))
    with pytest.raises(ValueError, match=f"answers.csv, line 3: {message}"):
        read_answers(path)


def test_a_method_that_failed_has_an_answer(tmp_path):
    nan, inf = float("nan"), float("inf")
    failed = make_answer(rate=nan, standard_error=inf, exact_rate=inf, exact_J=None)
    write_answers(tmp_path / "answers.csv", [failed])
    (found,) = read_answers(tmp_path / "answers.csv")
    assert repr(found) == repr(failed)
