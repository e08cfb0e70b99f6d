"""The report of sizes, on tables made by hand."""

import pytest

from rdbound.analysis.model_size import scaling
from rdbound.report.sections.scaling import observations, scaling_report
from tests.analysis.test_model_size import SIZES, _anchor, rows_by_size


@pytest.fixture(scope="module")
def found():
    return scaling(rows_by_size(shift=0.1), _anchor(), SIZES)


def test_what_the_sizes_say(found):
    faster, bounds, codecs, gap = observations(found)
    assert faster.lead == "Bounds fall faster with size than codecs"
    assert faster.text.startswith("repeated (-36.0 points")
    assert bounds.text.startswith("repeated (+10.9 points from net-1 to net-2 [")
    assert codecs.text.startswith("repeated (+9.5 points")
    assert gap.text.startswith("repeated (+36.7 points")


def test_what_the_sizes_cannot_say():
    rows = [r for r in rows_by_size(shift=0.1) if r.image in "abc"]
    assert "over 3 images, too few to tell" in observations(scaling(rows, _anchor(), SIZES))[0].text
    alone = [r for r in rows if r.model.startswith("other")]
    notes = observations(scaling(alone, _anchor(), SIZES))
    assert {note.text for note in notes} == {"these models cannot tell."}


def test_the_report_draws_whatever_there_is(found):
    document = scaling_report(rows_by_size(), found, "toy")
    stems = [picture.stem for picture in document.pictures]
    by_size = ["bound_by_size", "codec_by_size", "refinement_gain", "bound_codec_gap"]
    assert stems == [*by_size, "rd_curve"]
    rows = [r for r in rows_by_size() if r.method == "bound"]
    few = scaling_report(rows, scaling(rows, _anchor(), SIZES), "toy")
    assert [p.stem for p in few.pictures] == ["bound_by_size", "rd_curve"]
