import pytest

from rdbound.channels import CHANNELS
from rdbound.coding import CODERS
from rdbound.methods import METHODS, form_of, kind_of, method_order, methods_of
from rdbound.objective.objective import DECODERS

ORDER = [
    "exact",
    "bound",
    "bound-refined",
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
    assert [method_order(name) for name in ORDER] == list(range(26))
    assert method_order("somebody-else's") == 26, "unknown ones come last"
    assert kind_of("floor") == "floor"
    assert (kind_of("codec-coded"), form_of("codec-coded")) == ("coded", "codec")
    assert (kind_of("somebody-else's"), form_of("somebody-else's")) == (None, None)


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda m: m.name)
def test_a_method_speaks_of_things_that_exist(method):
    assert method.kind in {"bound", "ideal", "coded", "exact", "floor"}
    assert method.form in {"bound", "codec", None}
    assert method.decode in DECODERS
    without = method.name in {"exact", "external-coded"}  # no latent model's
    assert (method.channel is None) if without else (method.channel in CHANNELS)
    assert method.surrogate is None or method.surrogate in CHANNELS
    assert (method.coder is not None) == (method.kind == "coded" and not without)


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


def test_what_must_be_asked_for_comes_only_by_its_name():
    names = ["bound-refined", "bound-refined-coupled"]
    found = methods_of("bound", True, named=names)
    assert [m.name for m in found] == ["bound", *names, "floor"]
    assert [m.name for m in methods_of("bound", False, named=names)] == ["bound", "floor"]


def test_of_vectors_the_output_is_never_rounded():
    names = [m.name for m in methods_of("codec", True)]
    of_vectors = [m.name for m in methods_of("codec", True, vectors=True)]
    assert of_vectors == [name for name in names if name != "codec-refined-real"]
    assert methods_of("bound", True, vectors=True) == methods_of("bound", True)


def test_only_the_last_step_separates_the_real_output_from_the_8_bit_one():
    real, ideal = METHODS["codec-refined-real"], METHODS["codec-refined-ideal"]
    assert (real.decode, ideal.decode) == ("clip", "eight-bit")
    for field in ("kind", "form", "judge", "through", "coder"):
        assert getattr(real, field) == getattr(ideal, field)
    # Refinement is judged by the first method of its channel.
    assert method_order("codec-refined-ideal") < method_order("codec-refined-real")


def test_only_refinement_separates_a_refined_method_from_its_twin():
    for name in ("bound-refined", "codec-refined-ideal", "codec-refined-coded"):
        refined, plain = METHODS[name], METHODS[name.replace("-refined", "")]
        assert plain.surrogate is None
        assert refined.surrogate is not None
        for field in ("kind", "form", "judge", "decode", "coder"):
            assert getattr(refined, field) == getattr(plain, field)
    assert METHODS["bound-refined"].surrogate == "gaussian"
    assert (
        METHODS["codec-refined-ideal"].surrogate
        == METHODS["codec-refined-coded"].surrogate
        == "sga"
    )


def test_a_bound_is_judged_by_divergence_and_a_codec_by_its_symbols():
    default = [m for m in METHODS.values() if not m.asked]
    assert {m.channel for m in default if m.form == "bound"} == {"gaussian"}
    assert {m.channel for m in default if m.form == "codec"} == {"rounding"}
    assert {m.decode for m in METHODS.values() if m.kind == "bound"} == {"clip"}
    assert {m.decode for m in METHODS.values() if m.kind == "coded"} == {"eight-bit"}
    assert {m.decode for m in METHODS.values() if m.form == "codec"} == {"eight-bit", "clip"}
    assert METHODS["floor"].channel == "noiseless"
