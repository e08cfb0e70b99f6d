"""The table of methods, from theory to bytes: the order of tables and legends."""

from dataclasses import replace
from functools import partial
from typing import Any

from rdbound.methods.record import GapDefinition, Method

__all__ = ["METHODS"]

# Okabe & Ito's palette.
_SKY, _BLUE, _GREEN, _GREY, _YELLOW = "#56B4E9", "#0072B2", "#009E73", "#999999", "#F0E442"
_ORANGE, _PINK, _RED, _BLACK = "#E69F00", "#CC79A7", "#D55E00", "black"

_SANDWICH = "yang2022sandwich"
_IMPROVING = "yang2020improving"
_UNIVERSAL = "agustsson2020universal"
_ANS = "bamler2022ans"
_LESS = "sizes of files less what rides along"

# A bound by KL divergences, and ideal code lengths of the latents of a bound or of a codec.
_bound = partial(Method, kind="bound", form="bound", decode="clip", citations=(_SANDWICH,))
_of_bound = partial(Method, kind="ideal", form="bound", decode="eight-bit", citations=(_SANDWICH,))
_of_codec = partial(Method, kind="ideal", form="codec", decode="eight-bit")


def _with_bytes(ideal: Method, coder: str, **differences: Any) -> tuple[Method, Method]:
    """Return a method of ideal code lengths and the one whose coder writes the same symbols."""
    note = f"{ideal.name} written to bytes, container and all"
    common = {"kind": "coded", "coder": coder, "covered_by": None, "note": note, "gap": None}
    name = ideal.name.replace("ideal", "coded")
    return ideal, replace(ideal, name=name, **(common | differences))


_ALL = (
    Method("exact", "exact", None, style=(_BLACK, "*"), note="R(D) of the source, from theory"),
    _bound(
        "bound",
        channel="gaussian",
        style=(_SKY, "o"),
        note="real-valued latents, variational parameters by the inference network",
    ),
    _bound(
        "bound-refined",
        channel="gaussian",
        surrogate="gaussian",
        style=(_BLUE, "s"),
        note="bound with variational parameters optimized for each example",
        gap=GapDefinition(
            "bound-amortization",
            "bound",
            "bound-refined",
            negative="refinement of the bound failed, or won less than its noise",
            note="what one inference network for all costs the bound itself",
        ),
    ),
    _bound(
        "bound-sampled",
        channel="sampled",
        groups=("sampled",),
        role="bound",
        style=(_SKY, "o"),
        note="bound with the KL divergence estimated from samples, for posteriors or priors "
        "without a closed form",
    ),
    _bound(
        "bound-sampled-refined",
        channel="sampled",
        surrogate="sampled",
        groups=("sampled",),
        role="bound-refined",
        style=(_BLUE, "s"),
        note="bound-sampled with variational parameters optimized for each example",
    ),
    _bound(
        "bound-refined-coupled",
        channel="gaussian",
        surrogate="gaussian",
        posterior="coupled",
        groups=("coupled",),
        note="bound-refined with a posterior of correlated neighbours",
        gap=GapDefinition(
            "approximation",
            "bound-refined",
            "bound-refined-coupled",
            negative="its refinement, of more numbers, had not come as far in as many steps",
            note="a part of modeling: what the refined bound still wins when neighbours in a "
            "latent may be correlated in its posterior. It is the least that a factorized "
            "posterior costs these weights; a model trained for richer posteriors might win more",
        ),
    ),
    _bound(
        "bound-prior-scaled",
        channel="prior-scaled",
        groups=("ladder",),
        style=(_GREEN, "o"),
        note="bound with a posterior scale that is a function of the prior's",
        gap=GapDefinition(
            "known-scale",
            "bound-prior-scaled",
            "bound",
            negative="the bound's own scales are not the best, or its noise is larger than this",
            note="what it costs that the posterior's scale is a function of the prior's, as the "
            "decoder of a layered quantizer must know it",
        ),
    ),
    *_with_bytes(
        _of_bound(
            "bound-layered-ideal",
            channel="layered",
            groups=("ladder",),
            style=(_GREEN, "d"),
            covered_by="bound-layered-coded",
            note="the bound's latents by a layered quantizer, ideal code lengths",
        ),
        coder="layered",
        style=(_GREEN, "^"),
        citations=(_SANDWICH, "hegazy2022randomized", _ANS),
    ),
    *_with_bytes(
        _of_bound(
            "bound-rec-ideal",
            channel="gaussian",
            groups=("ladder",),
            style=(_BLUE, "d"),
            covered_by="bound",
            note="bound with an 8-bit output, which relative entropy coding approaches",
        ),
        coder="rec",
        style=(_BLUE, "^"),
        note="the bound's latents by relative entropy coding, container and all",
        citations=(_SANDWICH, "flamich2020rec", _ANS),
    ),
    *_with_bytes(
        _of_bound(
            "bound-vbq-ideal",
            channel="vbq",
            groups=("vbq",),
            note="the bound's latents by short code points of the prior, ideal code lengths",
        ),
        coder="vbq",
        citations=(_SANDWICH, "yang2020vbq", _ANS),
    ),
    *_with_bytes(
        _of_codec(
            "codec-dithered-ideal",
            channel="uniform",
            groups=("ladder",),
            style=(_GREY, "D"),
            covered_by="codec-dithered-coded",
            note="latents by a dithered quantizer, ideal code lengths",
        ),
        coder="dithered",
        style=(_GREY, "^"),
        citations=(_UNIVERSAL, _ANS),
    ),
    *_with_bytes(
        _of_codec(
            "codec-bits-back-ideal",
            channel="bits-back",
            vectors=False,
            groups=("bits-back",),
            style=(_BLACK, "D"),
            covered_by="codec-bits-back-coded",
            note="codec-ideal with a real-valued hyperlatent that costs its KL divergence",
        ),
        coder="bits-back",
        style=(_BLACK, "^"),
        note="codec-bits-back-ideal written to bytes, less the side information they carry",
        rate=_LESS,
        citations=(_IMPROVING, _ANS),
    ),
    *_with_bytes(
        _of_codec(
            "codec-bits-back-refined-ideal",
            channel="bits-back",
            surrogate="sga",
            vectors=False,
            groups=("bits-back", "ladder"),
            style=(_BLACK, "v"),
            covered_by="codec-bits-back-refined-coded",
            note="codec-refined-ideal with a real-valued hyperlatent that costs its KL divergence",
            gap=GapDefinition(
                "marginalization",
                "codec-refined-ideal",
                "codec-bits-back-refined-ideal",
                negative="the codec's model was trained with a rounded hyperlatent, or rounding "
                "around the mean wins more than the bits got back",
                note="what rounding the hyperlatent costs against drawing it by side information "
                "that the decoder gets back (and rounding the rest around its mean, not to the "
                "integers)",
            ),
            citations=(_IMPROVING,),
        ),
        coder="bits-back",
        style=(_BLACK, "X"),
        note="codec-bits-back-refined-ideal written to bytes, less the side information they carry",
        rate=_LESS,
        citations=(_IMPROVING, _ANS),
    ),
    *_with_bytes(
        _of_codec(
            "codec-ideal",
            channel="rounding",
            style=(_YELLOW, "D"),
            covered_by="codec-coded",
            note="rounded latents by the inference network, ideal code lengths",
        ),
        coder="rounding",
        style=(_ORANGE, "^"),
        citations=(_ANS,),
    ),
    Method(
        "external-coded",
        kind="coded",
        form=None,
        channel=None,
        decode="eight-bit",
        vectors=False,
        groups=("external",),
        note="whole files of a codec outside the package",
    ),
    _of_codec(
        "codec-refined-ideal",
        channel="rounding",
        surrogate="sga",
        style=(_PINK, "v"),
        note="codec-ideal with variational parameters optimized for each example",
        citations=(_IMPROVING,),
    ),
    _of_codec(
        "codec-refined-real",
        channel="rounding",
        decode="clip",
        surrogate="sga",
        vectors=False,  # vectors are never rounded to 8 bits: it would be codec-refined-ideal again
        style=(_PINK, "1"),
        covered_by="codec-refined-ideal",
        note="codec-refined-ideal with its output real-valued, not 8-bit",
        citations=(_IMPROVING,),
    ),
    Method(
        "codec-refined-coded",
        kind="coded",
        form="codec",
        channel="rounding",
        decode="eight-bit",
        surrogate="sga",
        coder="rounding",
        style=(_RED, "X"),
        note="codec-refined-ideal written to bytes, container and all",
        citations=(_IMPROVING, _ANS),
    ),
    _of_codec(
        "codec-refined-uniform-ideal",
        channel="rounding",
        surrogate="uniform",
        groups=("ladder", "relaxations"),
        style=(_PINK, "^"),
        note="codec-refined-ideal, refined with uniform noise in place of rounding",
        citations=(_UNIVERSAL,),
    ),
    _of_codec(
        "codec-refined-soft-ideal",
        channel="rounding",
        surrogate="soft-rounding",
        groups=("ladder", "relaxations"),
        style=(_PINK, "o"),
        note="codec-refined-ideal, refined with soft rounding in place of rounding",
        citations=(_UNIVERSAL,),
    ),
    Method(
        "floor",
        kind="floor",
        form=None,
        channel="noiseless",
        decode="clip",
        note="the distortion without noise or rounding, which the latents cannot go below at "
        "any rate",
    ),
)

METHODS: dict[str, Method] = {method.name: method for method in _ALL}
