from rdbound.analysis.gaps import gaps
from rdbound.tables.gaps import Gap, write_gaps
from tests.analysis.test_gaps import make_rows


def test_written_gaps_have_the_schema(tmp_path):
    write_gaps(tmp_path / "gaps.csv", gaps(make_rows()))
    header, first, *_ = (tmp_path / "gaps.csv").read_text().splitlines()
    assert header == "dataset,image,lmbda,gap,value,lo,hi"
    assert first.endswith(",,")


def test_numbers_are_written_whole(tmp_path):
    write_gaps(tmp_path / "gaps.csv", [Gap("toy", "mean", 0.1 + 0.2, "total", 1 / 3, -1e-9, 2.0)])
    _, line = (tmp_path / "gaps.csv").read_text().splitlines()
    assert line == "toy,mean,0.30000000000000004,total,0.3333333333333333,-1e-09,2.0"
