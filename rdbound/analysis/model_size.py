"""How bounds, codecs and what separates them change with the size of a model.

The quantities of figures 2 to 4 of Zhang & Liu 2025 (arXiv 2501.12330), which the paper
shows as means without intervals; here every one is per image. Of the names of a table,
``res-hyper-4-bound`` and ``res-hyper-4-codec`` are the bound and the codec of the
architecture ``res-hyper-4``, of the family ``res-hyper``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rdbound.analysis.bd_rate import BDRate, compared
from rdbound.analysis.confidence import interval
from rdbound.analysis.curves import ImageCurves, from_rows
from rdbound.methods import roles
from rdbound.tables.rd import Row

__all__ = ["EFFECTS", "Contrast", "Effect", "architecture_of", "contrasts", "family_of", "scaling"]

_ROLES = {"bound": ("bound", "bound-refined"), "codec": ("codec-coded", "codec-refined-coded")}

EFFECTS = ("rate", "gain", "gap")
"""``rate``: BD-rate against the anchor; ``gain``: BD-rate of refined against amortized; ``gap``:
BD-rate of the codec's bytes against the bound."""


@dataclass(frozen=True)
class Effect:
    """One number of one architecture.

    Attributes:
      effect: name, of :data:`EFFECTS`.
      architecture: name of the model without its form, ``res-hyper-4``.
      family: name of the architecture without its size, ``res-hyper``.
      size: size of the architecture.
      form: ``bound`` or ``codec``; ``both`` for a gap.
      refined: whether the curves are refined; True for a gain.
      value: BD-rate in per cent, or the reason why there is none.
    """

    effect: str
    architecture: str
    family: str
    size: float
    form: str
    refined: bool
    value: BDRate | str


def architecture_of(model: str) -> str:
    """Return the name of a model without ``-bound`` or ``-codec`` at its end."""
    for form in _ROLES:
        model = model.removesuffix(f"-{form}")
    return model


def family_of(architecture: str) -> str:
    """Return the name of an architecture without its last part, the size."""
    return architecture.rpartition("-")[0] or architecture


def scaling(
    rows: Sequence[Row], anchor: ImageCurves, sizes: Mapping[str, float], method: str = "pchip"
) -> list[Effect]:
    """Return every effect that the rows have curves for, by family and size.

    Args:
      rows: rows of one data set.
      anchor: anchor of the BD-rates.
      sizes: size of each architecture in the rows, in any unit.
      method: interpolation, of :data:`rdbound.analysis.bd_rate.INTERPOLATIONS`.

    Raises:
      ValueError: the rows are of several data sets, two models have one architecture and form, or
        an architecture has no size.
    """
    curves = _by_architecture(rows)
    missing = sorted(curves.keys() - sizes.keys())
    if missing:
        raise ValueError(f"no size is known of {', '.join(missing)}")
    found = []
    for name in sorted(curves, key=lambda name: (family_of(name), sizes[name], name)):
        for effect, form, refined, lower, upper in _pairs(curves[name], anchor):
            value = compared(lower, upper, method)
            found.append(Effect(effect, name, family_of(name), sizes[name], form, refined, value))
    return found


_Curves = dict[tuple[str, bool], ImageCurves]  # by form, and whether refined


def _by_architecture(rows: Sequence[Row]) -> dict[str, _Curves]:
    datasets = sorted({row.dataset for row in rows})
    if len(datasets) > 1:
        raise ValueError(f"sizes are compared on one data set, not on {', '.join(datasets)}")
    methods = roles({row.method for row in rows})
    places = {
        methods[role]: (form, refined)
        for form, both in _ROLES.items()
        for refined, role in enumerate(both)
        if role in methods
    }
    found: dict[str, _Curves] = {}
    for (_, model, method), curve in from_rows(rows).items():
        if method not in places:
            continue
        form, refined = places[method]
        own = found.setdefault(architecture_of(model), {})
        if (form, bool(refined)) in own:
            raise ValueError(
                f"{own[form, bool(refined)].name} and {curve.name} are of one architecture and form"
            )
        own[form, bool(refined)] = curve
    return found


def _pairs(
    own: _Curves, anchor: ImageCurves
) -> Iterator[tuple[str, str, bool, ImageCurves, ImageCurves]]:
    """Yield (effect, form, refined, the curve that is 100 %, the other) of one architecture."""
    for (form, refined), curve in sorted(own.items()):
        yield "rate", form, refined, anchor, curve
    for form in _ROLES:
        if {(form, False), (form, True)} <= own.keys():
            yield "gain", form, True, own[form, False], own[form, True]
    for refined in (False, True):
        if {("bound", refined), ("codec", refined)} <= own.keys():
            yield "gap", "both", refined, own["bound", refined], own["codec", refined]


@dataclass(frozen=True)
class Contrast:
    """An effect of a family's largest model less that of its smallest, image by image.

    Attributes:
      smallest: smallest architecture.
      largest: largest architecture.
      value: mean over the images that both have, in points of per cent.
      interval: 95 % interval over these images; None if they are too few.
      images: number of these images.
    """

    smallest: str
    largest: str
    value: float
    interval: tuple[float, float] | None
    images: int


def contrasts(
    found: Sequence[Effect], effect: str, form: str, refined: bool, less: str | None = None
) -> list[Contrast]:
    """Return the contrast of an effect in each family of two sizes or more.

    Args:
      found: effects.
      effect: name, of :data:`EFFECTS`.
      form: form of the models.
      refined: whether the curves are refined.
      less: a second form, whose contrast is subtracted image by image; None for no other.
    """
    out = []
    for family in dict.fromkeys(one.family for one in found):
        own = _by_image(found, (family, effect, form, refined))
        other = None if less is None else _by_image(found, (family, effect, less, refined))
        names = [name for name in own if other is None or name in other]
        if len(names) < 2:
            continue
        small, large = names[0], names[-1]
        signed = [(own, 1.0)] + ([] if other is None else [(other, -1.0)])
        images = sorted(set.intersection(*(set(v[n]) for v, _ in signed for n in (small, large))))
        if not images:
            continue
        differences = np.array(
            [
                sum(sign * (v[large][image] - v[small][image]) for v, sign in signed)
                for image in images
            ]
        )
        out.append(
            Contrast(small, large, float(differences.mean()), interval(differences), len(images))
        )
    return out


def _by_image(
    found: Sequence[Effect], key: tuple[str, str, str, bool]
) -> dict[str, dict[str, float]]:
    """Return BD-rates by architecture and image, from the smallest size, of one kind of effect."""
    return {
        one.architecture: one.value.images
        for one in sorted(found, key=lambda one: one.size)
        if (one.family, one.effect, one.form, one.refined) == key and isinstance(one.value, BDRate)
    }
