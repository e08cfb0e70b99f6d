"""Reports say what the tables say, for images and for vectors."""

import dataclasses

import pytest

from rdbound.analysis.gaps import chain, definitions, gaps
from rdbound.methods import METHODS
from rdbound.report.document import Note, Picture, Table
from rdbound.report.figures.gaps import gap_figure
from rdbound.report.figures.rd import rd_figure
from rdbound.report.sections.bd_rate import bd_rate_sections
from rdbound.report.sections.gaps import (
    EFFECTS_NOTE,
    best_note,
    gap_sections,
    gap_table,
    modeling_note,
    negative_notes,
    one_shot_note,
    rounding_note,
    side_note,
)
from rdbound.report.sections.rd import rd_report, rd_table
from rdbound.tables.gaps import Gap
from rdbound.theory.one_shot_bounds import least_excess
from tests.analysis.test_gaps import cheaper, exact_rows, make_rows, other_distortion, with_coupled

AMORTIZATION_NOTE = side_note(METHODS["bound-refined"].gap)
APPROXIMATION_NOTE = side_note(METHODS["bound-refined-coupled"].gap)


def vector_rows():
    """One sample of a source whose R(D) is known: no references, no MS-SSIM, small errors."""
    rows = [
        dataclasses.replace(
            r,
            image="sample",
            pixels=2,
            mse=r.mse / 1e4,
            bits=2 * r.bpp,
            J=r.bpp + r.lmbda * r.mse / 1e4,
        )
        for r in make_rows("gaussian", ("a",))
    ]
    named = [dataclasses.replace(r, image="a") for r in rows]
    return rows + [dataclasses.replace(r, image="sample") for r in exact_rows(named)]


def notes(section):
    return [block.text for block in section.blocks if isinstance(block, Note)]


def test_a_report_of_images_has_what_the_rows_allow():
    document = rd_report(make_rows("kodak", ("kodim01", "kodim02")), "vtm-22.0")
    assert document.title == "kodak"
    assert [s.title for s in document.sections] == [
        "Rate and distortion",
        "Gaps in bits per pixel, mean over 2 images",
        "Gaps as BD-rate",
        "BD-rate against vtm-22.0 (10-bit input)",
        "",
    ]
    four = make_rows("kodak", tuple("abcd"))
    assert gap_sections(four, chain(four))[0].title.endswith("mean over 4 images [95 % interval]")
    assert [p.stem for p in document.pictures] == ["rd_curve", "gaps", "bd_rate"]
    assert notes(document.sections[-1])[0].startswith("Conventions: J = R + λ·D")


def test_a_report_of_vectors_has_gaps_and_no_reference():
    rows = vector_rows()
    document = rd_report(rows, "vtm-22.0")
    assert [s.title.split(" ")[0] for s in document.sections] == ["Rate", "Gaps", "Gaps", ""]
    (table, *_) = document.sections[0].blocks
    assert {row[0] for row in table.rows} >= {"exact", "bound-refined"}
    assert table.rows[0][:4] == ("exact", "theory", "gaussian", "0.002")
    assert {row[7] for row in table.rows} == {"–"}
    first = next(r for r in rows if r.method == "exact")
    assert table.rows[0][6] == f"{first.mse:.4g}"


def test_rows_without_refinement_have_a_report_without_gaps():
    rows = [r for r in make_rows() if "refined" not in r.method]
    assert [s.title for s in rd_report(rows, "vtm-22.0").sections] == ["Rate and distortion", ""]


def test_gaps_that_cannot_be_computed_say_why():
    rows = [r for r in make_rows() if r.method != "codec-coded"]
    (section,) = [s for s in rd_report(rows, "vtm-22.0").sections if s.title == "Gaps"]
    assert notes(section)[0].startswith("not computed: gaps need the methods codec-coded")


def test_the_table_holds_means_over_images_in_the_order_of_methods():
    rows = make_rows(lmbdas=(0.01,))
    table = rd_table(rows)
    assert [row[0] for row in table.rows] == [
        "bound",
        "bound-refined",
        "codec-ideal",
        "codec-coded",
        "codec-refined-ideal",
        "codec-refined-real",
        "codec-refined-coded",
    ]
    bpp = [r.bpp for r in rows if r.method == "bound"]
    assert table.rows[0][3:5] == ("0.01", f"{sum(bpp) / 3:.4f}")
    assert table.rows[0][-1] == "3"
    others = [dataclasses.replace(r, method="theirs") for r in rows if r.method == "bound"]
    assert rd_table([*rows, *others]).rows == (*table.rows, ("theirs", *table.rows[0][1:])), (
        "what is not ours comes last"
    )


def test_the_table_of_gaps_holds_their_means():
    found = [
        Gap("toy", "mean", 0.01, "total", 0.5, 0.25, 0.75),
        Gap("toy", "mean", 0.02, "asymptotic", -0.125, None, None),
        Gap("toy", "a", 0.01, "total", 9.0, None, None),
    ]
    assert gap_table(found) == Table(
        ("gap (bpp)", "λ = 0.01", "λ = 0.02"),
        (("asymptotic", "–", "-0.1250"), ("total", "+0.5000 [+0.2500, +0.7500]", "–")),
    )


def test_the_modeling_gap_is_called_the_true_one_only_where_the_curve_is_known():
    rows = make_rows()
    better = cheaper(rows, "bound-refined", 0.1, model="b2")
    codec = cheaper(rows, "codec-coded", 0.9, model="c2")
    cases = [
        (rows, "The modeling gap is 0 because this bound is itself the best one known"),
        (rows + better, "The modeling gap is measured against the best point known, not against"),
        (rows + codec, "The modeling gap is measured against the best point known, not against"),
        (rows + codec[:1], "The modeling gap is measured against the best point known, not"),
        (rows + exact_rows(rows), "The modeling gap is the true one: it is measured against the"),
        (
            rows + exact_rows(rows, lmbdas=(0.01,)),
            "At λ = 0.01 the modeling gap is the true one, measured against the exact R(D) of the "
            "source. Elsewhere: The modeling gap is 0 because",
        ),
    ]
    for some, expected in cases:
        of = chain(some, bound="b", codec="c")
        assert modeling_note(of.gaps, of.best).startswith(expected)


def test_the_report_says_whose_points_are_the_best_and_how_often():
    rows = make_rows(images=("a", "b"))
    said = "J best is that of the best point known among bounds, codecs and published points: "
    assert best_note(chain(rows).best) == f"{said}of 2 images at 3 λ, b bound-refined 6 times."
    one = [
        r
        for r in cheaper(rows, "codec-coded", 0.5, model="c2")
        if (r.image, r.lmbda) == ("a", 0.05)
    ]
    note = best_note(chain(rows + one, codec="c").best)
    assert note == f"{said}of 2 images at 3 λ, b bound-refined 5 times, c2 codec-coded once."
    exact = best_note(chain(rows + exact_rows(rows)).best)
    assert exact.endswith("of 2 images at 3 λ, exact R(D) 6 times.")
    blocks = [dataclasses.replace(r, image=f"block-{r.image}") for r in rows]
    assert "of 2 blocks at 3 λ" in best_note(chain(blocks).best)


def gap(name, value, image="mean", lmbda=0.01, hi=None):
    return Gap("toy", image, lmbda, name, value, None if hi is None else value, hi)


def test_a_negative_gap_is_told_with_where_how_much_and_what_it_means():
    found = [
        gap("digitization", -0.25),
        gap("digitization", -0.5, lmbda=0.02),
        gap("digitization", 0.5, lmbda=0.03),
        gap("digitization", -6.75, "a"),
        gap("digitization", -0.125, "a", 0.02),
        gap("digitization", -0.125, "b"),
        gap("digitization", 9.0, "c"),
        gap("amortization", -0.03125, "a"),
        gap("asymptotic", 0.5),
        gap("bound-amortization", -1e-7),
        gap("output-rounding", 0.0),
    ]
    amortization, digitization = negative_notes(found)
    assert amortization == (
        "amortization is negative of 1 image, down to -0.0312 bits per pixel: refinement ended "
        "above the inference network's parameters, so it failed."
    )
    assert digitization == (
        "digitization is negative in the mean at λ = 0.01, 0.02 and of 2 images, down to -6.7500 "
        "bits per pixel: the bound's model is not the tighter one (it is a worse model, or less "
        "trained, than the codec's), so this is no measure of quantization."
    )


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("asymptotic", "the rows are not of the same symbols"),
        ("output-rounding", "takes errors away"),
        ("bound-amortization", "refinement of the bound failed, or won less than its noise"),
        ("modeling", "a finite sample lies below the R(D) of its source"),
        ("total", "a finite sample lies below the R(D) of its source"),
    ],
)
def test_each_kind_of_negative_gap_has_a_meaning_of_its_own(name, meaning):
    (note,) = negative_notes([gap(name, -0.25), gap(name, 0.25, lmbda=0.02)])
    assert note.startswith(f"{name} is negative in the mean at λ = 0.01, down to -0.2500 bits per ")
    assert meaning in note


def test_one_example_below_the_curve_of_its_source_is_no_news():
    assert negative_notes([gap("modeling", -0.25, "block-1"), gap("modeling", 0.25)]) == []


def test_negative_gaps_stand_in_the_report():
    rows = make_rows()
    worse = [
        dataclasses.replace(r, bpp=r.bpp + 1, J=r.J + 1) if r.model == "b" else r for r in rows
    ]
    negative = [
        block.text
        for block in gap_sections(worse, chain(worse))[0].blocks
        if isinstance(block, Note) and block.lead == "Negative"
    ]
    assert negative == negative_notes(gaps(worse))
    (only,) = negative
    assert only.startswith("digitization is negative in the mean at λ = 0.002, 0.01,")
    assert "Negative" not in {
        getattr(b, "lead", "") for b in gap_sections(rows, chain(rows))[0].blocks
    }


def test_tables_that_do_not_tell_the_rounding_apart_say_what_it_costs():
    """λ/12: the variance of the error of rounding to integers, at each λ of the gaps."""
    rows = make_rows(lmbdas=(0.0018, 0.0966))
    old = [r for r in rows if r.method != "codec-refined-real"]
    assert rounding_note(chain(rows)) == ""
    assert rounding_note(chain(old)) == (
        "Digitization contains the rounding of the codec's output to 8 bits, which a row of "
        "codec-refined-real for every image and λ would separate: about λ/12, 0.00015 at λ = "
        "0.0018, 0.00805 at λ = 0.0966 (bits per pixel)."
    )
    assert rounding_note(chain(old)) in notes(gap_sections(old, chain(old))[0])
    assert rounding_note(chain(other_distortion(old))).endswith("would separate.")
    blocks = [dataclasses.replace(r, image=f"block-{r.image}") for r in old]
    assert rounding_note(chain(blocks)) == "", "vectors are never rounded"


def test_the_gap_beside_the_chain_is_explained_where_it_is():
    rows = make_rows()
    assert AMORTIZATION_NOTE in notes(gap_sections(rows, chain(rows))[0])
    without = [r for r in rows if r.method != "bound"]
    assert AMORTIZATION_NOTE not in notes(gap_sections(without, chain(without))[0])


def test_the_report_says_which_gap_is_which_effect():
    rows = make_rows()
    assert EFFECTS_NOTE in notes(gap_sections(rows, chain(rows))[0])
    assert APPROXIMATION_NOTE not in notes(gap_sections(rows, chain(rows))[0])
    richer = with_coupled(rows)
    assert APPROXIMATION_NOTE in notes(gap_sections(richer, chain(richer))[0])


def test_bd_rates_of_all_gaps_stand_in_the_report():
    rows = with_coupled(make_rows())
    bits, bd = gap_sections(rows, chain(rows))
    assert (
        [row[0] for row in bd.blocks[0].rows]
        == [gap.name for gap in definitions()][:-2]
        == [r[0] for r in bits.blocks[0].rows]
    )
    values = {row[0]: row[1] for row in bd.blocks[0].rows}
    assert values["modeling"] == values["approximation"]
    assert not values["modeling"].startswith("+0.00 % ")
    assert values["total"] != values["modeling"]
    assert "the lower curve is of the best points known" in notes(bd)[0]


def test_the_one_shot_note_is_of_the_bound_that_was_chosen():
    rows = make_rows()
    refined = [r for r in rows if r.method == "bound-refined"]
    most = max(least_excess(r.bits) / r.pixels for r in refined)
    more = [dataclasses.replace(r, model="b2", bits=9 * r.bits) for r in refined]
    assert f"need not exceed {most:.4f} bits" in one_shot_note(rows + more, "b")
    with pytest.raises(ValueError, match="no row bound-refined of the model nobody"):
        one_shot_note(rows, "nobody")


def test_the_sections_of_gaps_are_of_the_pair_and_the_interpolation_that_were_named():
    rows = make_rows()
    worse = [
        dataclasses.replace(r, model="c2", J=r.J + 1, bpp=r.bpp + 1)
        for r in rows
        if r.method.startswith("codec")
    ]
    bits, bd = gap_sections(rows + worse, chain(rows + worse, codec="c2"), "akima")
    totals = dict(row[:2] for row in bits.blocks[0].rows)["total"]
    expected = {g.lmbda: g.value for g in gaps(rows) if (g.gap, g.image) == ("total", "mean")}
    assert totals.startswith(f"{expected[0.002] + 1:+.4f}")
    assert isinstance(bd.blocks[0], Table)
    _, bd = gap_sections(rows, chain(rows), "linear")
    assert {row[1][:45] for row in bd.blocks[0].rows} == {
        "not computed: unknown interpolation 'linear':"
    }


def test_bd_rate_is_that_of_the_rates():
    """Of the anchor's own points at 1.2 times their rate, on four images."""
    from rdbound import reference

    rows = [
        dataclasses.replace(
            make_rows()[0],
            dataset="kodak",
            image=p.image,
            lmbda=float(i // 24),
            bpp=1.2 * p.bpp,
            psnr=p.psnr,
            mse=p.mse,
        )
        for i, p in enumerate(reference.find_curve("kodak", "vtm-22.0").points)
        if p.image in ("kodim01", "kodim07", "kodim13", "kodim20")
    ]
    (section,) = bd_rate_sections(rows, "vtm-22.0")
    ((method, model, value),) = section.blocks[0].rows
    assert (method, model) == ("bound", "b")
    assert value.startswith("+20.00 % [+20.00, +20.00] (per image, 4 images")
    others = [dataclasses.replace(r, dataset="photographs") for r in rows]
    assert bd_rate_sections(others, "vtm-22.0") == ()
    (section,) = bd_rate_sections(rows[:1], "vtm-22.0")
    assert "not computed: " in section.blocks[0].rows[0][2]


def test_figures_of_vectors():
    rows = vector_rows()
    (axes,) = rd_figure(rows).axes
    labels = [line.get_label() for line in axes.lines]
    assert labels[:2] == ["exact", "bound"]
    assert axes.get_title(loc="left") == "gaussian, 1 image"
    (axes,) = gap_figure(gaps(rows)).axes
    assert "1 image" in axes.get_title(loc="left")


def test_ideal_code_lengths_are_drawn_where_nothing_was_coded():
    rows = make_rows()
    (axes,) = rd_figure(rows).axes
    assert "codec-ideal" not in [line.get_label() for line in axes.lines]
    (axes,) = rd_figure([r for r in rows if r.method == "codec-ideal"]).axes
    assert [line.get_label() for line in axes.lines] == ["codec-ideal"]


def test_a_figure_of_no_gaps_is_refused():
    with pytest.raises(ValueError, match="there are none"):
        gap_figure([])
    assert all(isinstance(p, Picture) for p in rd_report(make_rows(), "vtm-22.0").pictures)


def test_vectors_are_called_by_their_names():
    from rdbound.report.wording import words_of

    assert words_of(["mean", "block-01", "block-02"]) == ("block", "dimension")
    assert words_of(["mean", "kodim01"]) == ("image", "pixel")
    assert words_of(["mean"]).unit == "pixel"
    assert words_of(["block-01"]).counted(1) == "1 block"
    assert words_of(["a"]).counted(3) == "3 images"


def test_a_table_of_floors_alone_has_no_figure():
    row = dataclasses.replace(make_rows()[0], method="floor", bits=0.0, bpp=0.0)
    document = rd_report([row], "vtm-22.0")
    assert not list(document.pictures)
    (row,) = rd_table([row]).rows
    assert (row[4], row[8]) == ("any", "–"), "neither a rate nor a J"
