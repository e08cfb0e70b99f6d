"""The table of methods: what a row of the RD table says was done.

A method is a record. Evaluation is one loop over them; figures and gaps know
them by name and order. A new rung between bound and codec is a new entry here:

    Method("codec-refined-mixed", "ideal", "codec", "rounding", "eight-bit", surrogate="mixed")

The rungs there are, from theory to bytes; quantizing and writing raise J, refining
lowers it:

    exact                 R(D) of the source, where theory knows it
    bound-refined-coupled bound-refined with a posterior of correlated neighbours, if named
    bound-refined         analog latents, variational parameters optimized for each datum
    bound                 analog latents, variational parameters by the inference network
    bound-sampled         bound, its rate sampled: for densities without a closed form, if named
    bound-sampled-refined bound-sampled, variational parameters optimized, if named
    bound-prior-scaled    bound with a posterior scale that the decoder knows, if named
    bound-layered-ideal   its latents by a layered quantizer; −log₂ of probabilities, if named
    bound-layered-coded   bound-layered-ideal written to bytes, if named
    bound-rec-ideal       bound, its output rounded to 8 bits, if named
    bound-rec-coded       its latents by relative entropy coding, written to bytes, if named
    bound-vbq-ideal       its latents by short code points; −log₂ of frequencies, if named
    bound-vbq-coded       bound-vbq-ideal written to bytes, if named
    codec-dithered-ideal  latents by a dithered quantizer; −log₂ of probabilities, if named
    codec-dithered-coded  codec-dithered-ideal written to bytes, if named
    codec-bits-back-refined-ideal   codec-refined-ideal with an analog z that is paid for by its
                          divergence, if named
    codec-bits-back-ideal           the same of codec-ideal, if named
    codec-bits-back-refined-coded   codec-bits-back-refined-ideal written to bytes, less the side
                          information that the decoder gets back, if named
    codec-bits-back-coded           the same of codec-bits-back-ideal, if named
    codec-refined-uniform-ideal     codec-refined-ideal, refined through uniform noise, if named
    codec-refined-soft-ideal        codec-refined-ideal, refined through soft rounding, if named
    codec-refined-real    codec-refined-ideal, its output real-valued in place of 8-bit
    codec-refined-ideal   rounded latents, optimized; −log₂ of their probabilities
    codec-ideal           rounded latents, by the inference network
    codec-refined-coded   codec-refined-ideal written to bytes, container and all
    codec-coded           codec-ideal written to bytes
    external-coded        whole files of a codec from outside (:mod:`rdbound.baselines`)

``floor`` is no rung: the distortion of a model to which rate is free. What lies between
which two has a name in :mod:`rdbound.analysis.gaps`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["METHODS", "Method", "method_order", "methods_of"]


@dataclass(frozen=True)
class Method:
    """One way to get a point (R, D) out of a latent model.

    Attributes:
      name: of the rows.
      kind: ``bound`` (a point that no code is claimed for), ``ideal`` (ideal code
        lengths of symbols), ``coded`` (bytes written and read again),
        ``exact`` (the source's own R(D), no model) or ``floor`` (the distortion
        that no rate removes; no point of a curve).
      form: the family of priors it needs, ``bound`` or ``codec``; None for any.
      channel: name of the channel whose rate and sample are reported.
      decode: name of the decoder's last step (:data:`rdbound.objective.objective.DECODERS`)
        for images; vectors are left as they are.
      surrogate: name of the channel that the variational parameters are refined through, in
        the place of rounding if the evaluation channel is ``bits-back``; None for those of the
        inference networks. Methods of one surrogate channel share the variational parameters,
        the best by the evaluation channel of the first of them in the table.
      posterior: the family that refinement moves in: ``factorized``, which is the model's
        own, or ``coupled`` (:mod:`rdbound.ops.banded_gaussian`).
      coder: name of the coder that writes the bytes of a ``coded`` row.
      coder_options: options of the coder.
      vectors: whether vectors have it, or only images.
      asked: whether it is computed only where it is named.
    """

    name: str
    kind: str
    form: str | None
    channel: str | None = None
    decode: str = "real"
    surrogate: str | None = None
    posterior: str = "factorized"
    coder: str | None = None
    vectors: bool = True
    asked: bool = False
    coder_options: Mapping[str, Any] = field(default_factory=dict)


_ALL = (
    Method("exact", "exact", None),
    Method("bound", "bound", "bound", "gaussian", "clip"),
    Method("bound-refined", "bound", "bound", "gaussian", "clip", surrogate="gaussian"),
    Method(
        "bound-refined-coupled",
        "bound",
        "bound",
        "gaussian",
        "clip",
        surrogate="gaussian",
        posterior="coupled",
        asked=True,
    ),
    Method("bound-sampled", "bound", "bound", "sampled", "clip", asked=True),
    Method(
        "bound-sampled-refined",
        "bound",
        "bound",
        "sampled",
        "clip",
        surrogate="sampled",
        asked=True,
    ),
    Method("bound-prior-scaled", "bound", "bound", "prior-scaled", "clip", asked=True),
    Method("bound-layered-ideal", "ideal", "bound", "layered", "eight-bit", asked=True),
    Method(
        "bound-layered-coded",
        "coded",
        "bound",
        "layered",
        "eight-bit",
        coder="layered",
        asked=True,
    ),
    Method("bound-rec-ideal", "ideal", "bound", "gaussian", "eight-bit", asked=True),
    Method("bound-rec-coded", "coded", "bound", "gaussian", "eight-bit", coder="rec", asked=True),
    Method("bound-vbq-ideal", "ideal", "bound", "vbq", "eight-bit", asked=True),
    Method("bound-vbq-coded", "coded", "bound", "vbq", "eight-bit", coder="vbq", asked=True),
    Method("codec-dithered-ideal", "ideal", "codec", "uniform", "eight-bit", asked=True),
    Method(
        "codec-dithered-coded",
        "coded",
        "codec",
        "uniform",
        "eight-bit",
        coder="dithered",
        asked=True,
    ),
    Method(
        "codec-bits-back-ideal",
        "ideal",
        "codec",
        "bits-back",
        "eight-bit",
        vectors=False,
        asked=True,
    ),
    Method(
        "codec-bits-back-coded",
        "coded",
        "codec",
        "bits-back",
        "eight-bit",
        coder="bits-back",
        vectors=False,
        asked=True,
    ),
    Method(
        "codec-bits-back-refined-ideal",
        "ideal",
        "codec",
        "bits-back",
        "eight-bit",
        surrogate="sga",
        vectors=False,
        asked=True,
    ),
    Method(
        "codec-bits-back-refined-coded",
        "coded",
        "codec",
        "bits-back",
        "eight-bit",
        surrogate="sga",
        coder="bits-back",
        vectors=False,
        asked=True,
    ),
    Method("codec-ideal", "ideal", "codec", "rounding", "eight-bit"),
    Method("codec-coded", "coded", "codec", "rounding", "eight-bit", coder="rounding"),
    Method("external-coded", "coded", None, decode="eight-bit", vectors=False, asked=True),
    Method("codec-refined-ideal", "ideal", "codec", "rounding", "eight-bit", surrogate="sga"),
    Method(
        "codec-refined-real",
        "ideal",
        "codec",
        "rounding",
        "clip",
        surrogate="sga",
        # Vectors are never rounded to 8 bits: it would be codec-refined-ideal again.
        vectors=False,
    ),
    Method(
        "codec-refined-coded",
        "coded",
        "codec",
        "rounding",
        "eight-bit",
        surrogate="sga",
        coder="rounding",
    ),
    Method(
        "codec-refined-uniform-ideal",
        "ideal",
        "codec",
        "rounding",
        "eight-bit",
        surrogate="uniform",
        asked=True,
    ),
    Method(
        "codec-refined-soft-ideal",
        "ideal",
        "codec",
        "rounding",
        "eight-bit",
        surrogate="soft-rounding",
        asked=True,
    ),
    Method("floor", "floor", None, "noiseless", "clip"),
)

METHODS: dict[str, Method] = {method.name: method for method in _ALL}


def methods_of(
    form: str, refined: bool, vectors: bool = False, named: Collection[str] = ()
) -> tuple[Method, ...]:
    """The methods of a family of priors, with those that refine where ``refined``.

    ``exact``, which needs no model, is not among them; ``floor`` always is; what only
    images have is left out of ``vectors``, what must be asked for unless it is ``named``.
    """
    fits = lambda m: m.form == form or m.kind == "floor"  # noqa: E731
    has = lambda m: (refined or m.surrogate is None) and (m.vectors or not vectors)  # noqa: E731
    wanted = lambda m: not m.asked or m.name in named  # noqa: E731
    return tuple(m for m in _ALL if fits(m) and has(m) and wanted(m))


def kind_of(name: str) -> str | None:
    """The kind of a method; None for one that is not ours."""
    return METHODS[name].kind if name in METHODS else None


def form_of(name: str) -> str | None:
    """``bound`` or ``codec``; None for what no model is judged by, and for what is not ours."""
    return METHODS[name].form if name in METHODS else None


def method_order(name: str) -> int:
    """The place of a method in tables and legends; unknown ones come last."""
    names = list(METHODS)
    return names.index(name) if name in names else len(names)
