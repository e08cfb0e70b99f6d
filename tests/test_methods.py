import dataclasses

import pytest

from rdbound.analysis.channel_ladder import ladder
from rdbound.analysis.gaps import gaps
from rdbound.channels import CHANNELS
from rdbound.coding import CODERS
from rdbound.methods import (
    METHODS,
    GapDefinition,
    Method,
    form_of,
    kind_of,
    label_of,
    method_order,
    methods_of,
    roles,
    select,
    written_by,
)
from rdbound.objective.objective import DECODERS
from rdbound.report.citations import bibliography, cited_keys
from rdbound.report.document import Note
from rdbound.report.figures.rd import rd_figure
from rdbound.report.latex import rd_latex
from rdbound.report.sections.rd import rd_report, rd_table
from tests.analysis.test_gaps import make_rows

ORDER = [
    "exact",
    "bound",
    "bound-refined",
    "bound-sampled",
    "bound-sampled-refined",
    "bound-refined-coupled",
    "bound-prior-scaled",
    "bound-layered-ideal",
    "bound-layered-coded",
    "bound-rec-ideal",
    "bound-rec-coded",
    "bound-vbq-ideal",
    "bound-vbq-coded",
    "codec-dithered-ideal",
    "codec-dithered-coded",
    "codec-bits-back-ideal",
    "codec-bits-back-coded",
    "codec-bits-back-refined-ideal",
    "codec-bits-back-refined-coded",
    "codec-ideal",
    "codec-coded",
    "external-coded",
    "codec-refined-ideal",
    "codec-refined-real",
    "codec-refined-coded",
    "codec-refined-uniform-ideal",
    "codec-refined-soft-ideal",
    "floor",
]


def test_names_are_unique_and_in_the_tables_order():
    assert list(METHODS) == ORDER
    assert all(method.name == name for name, method in METHODS.items())
    assert [method_order(name) for name in ORDER] == list(range(28))
    assert method_order("somebody-else's") == 28, "unknown ones come last"
    assert kind_of("floor") == "floor"
    assert (kind_of("codec-coded"), form_of("codec-coded")) == ("coded", "codec")
    assert (kind_of("somebody-else's"), form_of("somebody-else's")) == (None, None)
    assert label_of("somebody-else's") == "somebody-else's"


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda m: m.name)
def test_a_method_speaks_of_things_that_exist(method):
    assert method.kind in {"bound", "ideal", "coded", "exact", "floor"}
    assert method.form in {"bound", "codec", None}
    assert method.decode in DECODERS
    without = method.name in {"exact", "external-coded"}  # no latent model's
    assert (method.channel is None) if without else (method.channel in CHANNELS)
    assert method.surrogate is None or method.surrogate in CHANNELS
    assert (method.coder is not None) == (method.kind == "coded" and not without)
    assert method.covered_by is None or method.covered_by in METHODS
    assert not method.role or METHODS[method.role].kind == method.kind
    assert not set(method.groups) & METHODS.keys()
    assert method.note
    assert bibliography(method.citations).count("@") == len(method.citations)
    if method.gap is not None:
        assert {method.gap.upper, method.gap.lower} <= METHODS.keys()


def test_bytes_are_written_by_the_coder_whose_channel_judges_them():
    coded = [m for m in METHODS.values() if m.coder is not None]
    assert [m.name for m in coded] == [
        "bound-layered-coded",
        "bound-rec-coded",
        "bound-vbq-coded",
        "codec-dithered-coded",
        "codec-bits-back-coded",
        "codec-bits-back-refined-coded",
        "codec-coded",
        "codec-refined-coded",
    ]
    realized = {name: coder.channel for name, coder in CODERS.items()}
    for method in coded:
        assert realized[method.coder] == method.channel
        ideal = METHODS[method.name.replace("coded", "ideal")]
        assert written_by(ideal.name) == (method.name,)
        assert (ideal.channel, ideal.decode, ideal.surrogate, ideal.form) == (
            method.channel,
            method.decode,
            method.surrogate,
            method.form,
        )


def test_codes_and_channels_of_coders_are_their_own():
    assert len({coder.code for coder in CODERS.values()}) == len(CODERS)
    assert all(0 <= coder.code < 256 and coder.channel in CHANNELS for coder in CODERS.values())


@pytest.mark.parametrize(
    ("form", "refined", "names"),
    [
        ("bound", False, ["bound", "floor"]),
        ("bound", True, ["bound", "bound-refined", "floor"]),
        ("codec", False, ["codec-ideal", "codec-coded", "floor"]),
        (
            "codec",
            True,
            [
                "codec-ideal",
                "codec-coded",
                "codec-refined-ideal",
                "codec-refined-real",
                "codec-refined-coded",
                "floor",
            ],
        ),
    ],
)
def test_the_methods_of_a_form_in_order(form, refined, names):
    assert [m.name for m in methods_of(form, refined)] == names


def test_a_method_of_a_group_comes_by_its_name_or_that_of_the_group():
    names = ["bound", "bound-refined", "bound-refined-coupled"]
    found = methods_of("bound", True, named=names)
    assert [m.name for m in found] == names
    assert [m.name for m in methods_of("bound", False, named=names)] == ["bound"]
    assert [m.name for m in select(["vbq", "floor"])] == [
        "bound-vbq-ideal",
        "bound-vbq-coded",
        "floor",
    ]
    assert [m.name for m in methods_of("bound", False, named=["ladder"])] == [
        "bound-prior-scaled",
        "bound-layered-ideal",
        "bound-layered-coded",
        "bound-rec-ideal",
        "bound-rec-coded",
    ]
    with pytest.raises(ValueError, match="unknown method 'nothing': choose one of exact, bound"):
        select(["bound", "nothing"])


def test_a_sampled_bound_takes_the_place_of_a_bound_that_is_missing():
    both = roles({"bound", "bound-sampled", "codec-ideal"})
    assert both == {"bound": "bound", "codec-ideal": "codec-ideal"}
    assert roles({"bound-sampled-refined"}) == {"bound-refined": "bound-sampled-refined"}
    names = {"bound": "bound-sampled", "bound-refined": "bound-sampled-refined"}
    rows = make_rows()
    sampled = [dataclasses.replace(r, method=names.get(r.method, r.method)) for r in rows]
    assert gaps(sampled) == gaps(rows)
    found = {(r.method, r.against) for r in ladder(sampled)}
    assert ("codec-refined-ideal", "bound-sampled-refined") in found
    assert ("codec-ideal", "bound-sampled") in found
    assert cited_keys(sampled, "vtm-22.0") == cited_keys(rows, "vtm-22.0")


def test_a_new_rung_is_one_record(monkeypatch):
    """Its order, group, style, label, note, gap and citation need no other edit."""
    gap = GapDefinition("shaping", "bound-new", "bound", negative="it is better", note="its cost")
    new = Method(
        "bound-new",
        kind="ideal",
        form="bound",
        channel="gaussian",
        decode="eight-bit",
        groups=("new",),
        label="New",
        style=("#123456", "P"),
        note="an invention",
        gap=gap,
        citations=("kodak",),
    )
    monkeypatch.setitem(METHODS, new.name, new)
    assert method_order("bound-new") == 28
    assert select(["new"]) == (new,)
    assert new not in methods_of("bound", True)
    rows = make_rows()
    rows += [
        dataclasses.replace(r, method="bound-new", bpp=r.bpp + 0.1, J=r.J + 0.1)
        for r in rows
        if r.method == "bound"
    ]
    assert rd_table(rows).rows[-1][0] == "bound-new"
    (axes,) = rd_figure(rows).axes
    (line,) = (x for x in axes.lines if x.get_label() == "New")
    assert (line.get_color(), line.get_marker()) == ("#123456", "P")
    assert "New & b & 0.002" in rd_latex(rows)
    means = [g.value for g in gaps(rows) if (g.gap, g.image) == ("shaping", "mean")]
    assert means == pytest.approx([0.1] * 3)
    assert [r.method for r in ladder(rows)][-1] == "bound-new"
    blocks = [b for s in rd_report(rows, "vtm-22.0").sections for b in s.blocks]
    assert Note("an invention.", "bound-new") in blocks
    assert Note("shaping, J bound-new − J bound, stands beside the chain: its cost.") in blocks
    assert "kodak" in cited_keys(rows, "vtm-22.0")


def test_of_vectors_the_output_is_never_rounded():
    names = [m.name for m in methods_of("codec", True)]
    of_vectors = [m.name for m in methods_of("codec", True, vectors=True)]
    assert of_vectors == [name for name in names if name != "codec-refined-real"]
    assert methods_of("bound", True, vectors=True) == methods_of("bound", True)


def test_only_the_last_step_separates_the_real_output_from_the_8_bit_one():
    real, ideal = METHODS["codec-refined-real"], METHODS["codec-refined-ideal"]
    assert (real.decode, ideal.decode) == ("clip", "eight-bit")
    for field in ("kind", "form", "channel", "surrogate", "coder"):
        assert getattr(real, field) == getattr(ideal, field)
    # Refinement is evaluated by the first method of its channel.
    assert method_order("codec-refined-ideal") < method_order("codec-refined-real")


def test_only_refinement_separates_a_refined_method_from_its_twin():
    for name in ("bound-refined", "codec-refined-ideal", "codec-refined-coded"):
        refined, plain = METHODS[name], METHODS[name.replace("-refined", "")]
        assert plain.surrogate is None
        assert refined.surrogate is not None
        for field in ("kind", "form", "channel", "decode", "coder"):
            assert getattr(refined, field) == getattr(plain, field)
    assert METHODS["bound-refined"].surrogate == "gaussian"
    assert (
        METHODS["codec-refined-ideal"].surrogate
        == METHODS["codec-refined-coded"].surrogate
        == "sga"
    )


def test_a_bound_is_judged_by_divergence_and_a_codec_by_its_symbols():
    default = [m for m in METHODS.values() if not m.groups]
    assert {m.channel for m in default if m.form == "bound"} == {"gaussian"}
    assert {m.channel for m in default if m.form == "codec"} == {"rounding"}
    assert {m.decode for m in METHODS.values() if m.kind == "bound"} == {"clip"}
    assert {m.decode for m in METHODS.values() if m.kind == "coded"} == {"eight-bit"}
    assert {m.decode for m in METHODS.values() if m.form == "codec"} == {"eight-bit", "clip"}
    assert METHODS["floor"].channel == "noiseless"
