"""How bounds, codecs and what separates them change with the size of a model.

The quantities of figures 2 to 4 of Zhang & Liu 2025 (arXiv 2501.12330), which the paper
shows as means without intervals; here every one is per image. Of the names of a table,
``res-hyper-4-bound`` and ``res-hyper-4-codec`` are the bound and the codec of the
architecture ``res-hyper-4``, of the family ``res-hyper``.
"""

from collections.abc import Mapping, Sequence
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
"""``rate``: BD-rate against the anchor; ``gain``: of refined against amortized; ``gap``: of
the codec's bytes against the bound."""


@dataclass(frozen=True)
class Effect:
    """One number of one architecture.

    Attributes:
      effect: of :data:`EFFECTS`.
      architecture, family: as the module says.
      size: of the architecture, as given.
      form: ``bound`` or ``codec``; of a gap ``both``.
      refined: whether the curves are; of a gain True.
      value: a BD-rate in per cent, or a sentence that says why there is none.
    """

    effect: str
    architecture: str
    family: str
    size: float
    form: str
    refined: bool
    value: BDRate | str


def architecture_of(model: str) -> str:
    """A table's model without ``-bound`` or ``-codec`` at its end."""
    for form in _ROLES:
        model = model.removesuffix(f"-{form}")
    return model


def family_of(architecture: str) -> str:
    """An architecture without its last part, its size."""
    return architecture.rpartition("-")[0] or architecture


def scaling(
    rows: Sequence[Row], anchor: ImageCurves, sizes: Mapping[str, float], method: str = "pchip"
) -> list[Effect]:
    """Every effect that the rows have curves for, by family and size.

    Args:
      rows: RD tables of one data set.
      anchor: of the BD-rates.
      sizes: of each architecture in the rows, in any unit.
      method: of :data:`rdbound.analysis.bd_rate.INTERPOLATIONS`.

    Raises ValueError for rows of several data sets, of two models of one architecture
    and form, or of an architecture without a size.
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


def _pairs(own: _Curves, anchor: ImageCurves):
    """(effect, form, refined, the curve that is 100 %, the other) of one architecture."""
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
    """What an effect of a family's largest model is less that of its smallest, image by image.

    Attributes:
      smallest, largest: architectures.
      value: mean over the images that both have, in points of per cent.
      interval: 95 % over these; None of too few.
      images: how many.
    """

    smallest: str
    largest: str
    value: float
    interval: tuple[float, float] | None
    images: int


def contrasts(
    found: Sequence[Effect], effect: str, form: str, refined: bool, less: str | None = None
) -> list[Contrast]:
    """The contrast of an effect in each family of two sizes or more.

    Args:
      found: effects.
      effect: of :data:`EFFECTS`.
      form: of the effect's models.
      refined: whether of refined curves.
      less: a second form, whose contrast is subtracted image by image.
    """
    out = []
    for family in dict.fromkeys(one.family for one in found):
        of = lambda form, family=family: {  # noqa: E731
            one.architecture: one.value.images
            for one in sorted(found, key=lambda one: one.size)
            if (one.family, one.effect, one.form, one.refined) == (family, effect, form, refined)
            and isinstance(one.value, BDRate)
        }
        own, other = of(form), None if less is None else of(less)
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
