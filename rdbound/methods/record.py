"""The record of a method of the RD table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["GapDefinition", "Method"]


class GapDefinition(NamedTuple):
    """What a gap is: J of the method ``upper`` less J of the method ``lower``.

    Attributes:
      name: name of the gap in tables.
      upper: method with the larger J.
      lower: method with the smaller J.
      negative: what a negative value means, the end of a sentence.
      note: what the gap means, one or more sentences without the last full stop; empty for the
        gaps of the chain, which the documentation explains.
    """

    name: str
    upper: str
    lower: str
    negative: str
    note: str = ""


@dataclass(frozen=True)
class Method:
    """One way to get a point (R, D), mostly out of a latent model.

    Attributes:
      name: name in the RD table.
      kind: what the rate is. ``bound``: KL divergences, a point of an upper bound on R(D) that no
        code is claimed for. ``ideal``: ideal code lengths of symbols. ``coded``: sizes of files,
        decoded again. ``exact``: R(D) of the source itself. ``floor``: no rate; the distortion of
        a model whose latents are exact, which is no point of a curve.
      form: the family of priors that the model must have: ``bound`` (densities of real latents) or
        ``codec`` (probabilities of integers); None if no model is evaluated, or any.
      channel: name of the evaluation channel, whose rate and sample are reported.
      decode: name of the last step of the decoder of images, of
        :data:`rdbound.objective.objective.DECODERS`; vectors are left as they are.
      surrogate: name of the channel in refinement; None for amortized variational parameters.
        Methods of one surrogate channel share the refined parameters; the best are chosen by the
        evaluation channel of the first of them in the table.
      posterior: the family that refinement moves in: ``factorized``, the model's own, or
        ``coupled`` (:mod:`rdbound.ops.banded_gaussian`).
      coder: name of the coder that writes the bytes of a ``coded`` row.
      coder_options: options of that coder.
      vectors: whether the method exists for vectors, or for images only.
      groups: names that select it in a configuration together with others. A method without a
        group is evaluated by default, one with a group only if it or the group is named.
      role: name of the method whose place in gaps and ladders this one takes in tables that lack
        it; empty for its own place.
      label: name in figures and LaTeX; empty for ``name``.
      style: colour and marker in figures; None for matplotlib's next colour.
      covered_by: method whose curve hides this one's; only that is drawn if both are in a table.
      note: what the method is, a sentence without its full stop, in reports.
      rate: what the rates are, in the sentence for a paper; empty for the words of the kind.
      gap: a gap beside the chain (:mod:`rdbound.analysis.gaps`) that the method adds to reports.
      citations: BibTeX keys (``rdbound/reference/citations.bib``).
    """

    name: str
    kind: str
    form: str | None
    channel: str | None = None
    decode: str = "real"
    surrogate: str | None = None
    posterior: str = "factorized"
    coder: str | None = None
    coder_options: Mapping[str, Any] = field(default_factory=dict)
    vectors: bool = True
    groups: tuple[str, ...] = ()
    role: str = ""
    label: str = ""
    style: tuple[str, str] | None = None
    covered_by: str | None = None
    note: str = ""
    rate: str = ""
    gap: GapDefinition | None = None
    citations: tuple[str, ...] = ()
