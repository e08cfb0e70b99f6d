"""What a config would need for more: said where an evaluation leaves something out."""

from collections.abc import Collection

from rdbound.config.schema import EvaluationConfig
from rdbound.zoo import BOUND, CODEC

__all__ = ["gaps_hint"]

_SHIPPED = {"bound": BOUND, "codec": CODEC}


def gaps_hint(section: EvaluationConfig, forms: Collection[str]) -> list[str]:
    """The lines of a config that would add the gaps; none where they are there.

    Args:
      section: ``evaluation``.
      forms: of its models, ``bound``, ``codec`` or others, which have no gaps.
    """
    if not set(forms) <= set(_SHIPPED):
        return []
    lines = []
    missing = [form for form in _SHIPPED if form not in forms]
    if missing:
        named = [one if isinstance(one, str) else one.path for one in section.checkpoints]
        wanted = [*named, *(_SHIPPED[form] for form in missing)]
        lines.append(f"  checkpoints: [{', '.join(wanted)}]")
    if section.refinement is None:
        lines.append("  refinement: {steps: 300}")
    if not lines:
        return []
    return ["the gaps need a bound and a codec, refined; in the config:", "evaluation:", *lines]
