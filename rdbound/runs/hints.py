"""What a config would need for more: said where an evaluation leaves something out."""

from collections.abc import Collection

from rdbound.config import Config
from rdbound.config.schema import CheckpointConfig
from rdbound.zoo import BOUND, CODEC

__all__ = ["gaps_hint"]

_SHIPPED = {"bound": BOUND, "codec": CODEC}


def gaps_hint(config: Config, forms: Collection[str], like_shipped: bool) -> list[str]:
    """The lines of a config that would add the gaps; none where they are there.

    Args:
      config: of an evaluation.
      forms: of its models, ``bound``, ``codec`` or others, which have no gaps.
      like_shipped: whether these are models of images and squared error, as the shipped ones,
        which are proposed beside them.
    """
    section = config.evaluation
    assert section is not None
    missing = [form for form in _SHIPPED if form not in forms]
    if not set(forms) <= set(_SHIPPED) or (missing and not like_shipped):
        return []
    lines = []
    if missing:
        wanted = [*map(_entry, section.checkpoints), *(_SHIPPED[form] for form in missing)]
        lines.append(f"  checkpoints: [{', '.join(wanted)}]")
    if section.refinement is None:
        lines.append("  refinement: {steps: 300}")
    if not lines:
        return []
    return [
        "the gaps need a bound and a codec, refined: the same config with",
        f"output: {config.output}-gaps",
        "evaluation:",
        *lines,
    ]


def _entry(one: str | CheckpointConfig) -> str:
    return one if isinstance(one, str) else f"{{name: {one.name}, path: {one.path}}}"
