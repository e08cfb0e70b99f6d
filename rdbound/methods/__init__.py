"""The methods of the RD table: one record for each way to get a point (R, D).

A row of the RD table names its method. The record of that name (:class:`Method`) holds everything
that the package knows about it: evaluation runs the record; analysis, figures and reports read it.
A new way to turn a latent into bits is one more record in :mod:`rdbound.methods.table`:

    Method("codec-refined-mixed", "ideal", "codec", "rounding", "eight-bit", surrogate="mixed")

Quantizing and writing raise J = R + λ·D, refinement lowers it; the gaps between methods are those
of :mod:`rdbound.analysis.gaps`.
"""

from collections.abc import Collection, Iterable
from operator import attrgetter

from rdbound.methods.record import GapDefinition, Method
from rdbound.methods.table import METHODS

__all__ = [
    "METHODS",
    "GapDefinition",
    "Method",
    "form_of",
    "kind_of",
    "label_of",
    "method_order",
    "methods_of",
    "roles",
    "select",
    "written_by",
]


def select(names: Iterable[str] | None = None) -> tuple[Method, ...]:
    """Return methods by name or group, in the order of the table.

    Args:
      names: names of methods and of groups; None for every method that is in no group.

    Raises:
      ValueError: a name is neither a method nor a group.
    """
    if names is None:
        return tuple(method for method in METHODS.values() if not method.groups)
    wanted = set(names)
    known = [*METHODS, *dict.fromkeys(g for m in METHODS.values() for g in m.groups)]
    for name in wanted.difference(known):
        raise ValueError(f"unknown method {name!r}: choose one of {', '.join(known)}")
    return tuple(m for m in METHODS.values() if wanted & {m.name, *m.groups})


def methods_of(
    form: str, refined: bool, vectors: bool = False, named: Iterable[str] | None = None
) -> tuple[Method, ...]:
    """Return the selected methods that a model can be evaluated by.

    Args:
      form: family of the model's priors, ``bound`` or ``codec``.
      refined: whether there is refinement; without it, methods with a surrogate are left out.
      vectors: whether the examples are vectors; methods of images are then left out.
      named: see :func:`select`.
    """
    return tuple(
        m
        for m in select(named)
        if (m.form == form or m.kind == "floor")
        and (refined or m.surrogate is None)
        and (m.vectors or not vectors)
    )


def written_by(ideal: str) -> tuple[str, ...]:
    """Return the coded methods that realize an ideal one: of one channel, surrogate and decoder."""
    setting = attrgetter("form", "channel", "decode", "surrogate", "posterior")
    coded = (m for m in METHODS.values() if m.coder is not None)
    return tuple(m.name for m in coded if setting(m) == setting(METHODS[ideal]))


def roles(names: Collection[str]) -> dict[str, str]:
    """Return, by role (:attr:`Method.role`), the first of the methods ``names`` that takes it."""
    found: dict[str, str] = {}
    for name in sorted(names, key=method_order):
        found.setdefault((METHODS[name].role if name in METHODS else "") or name, name)
    return found


def kind_of(name: str) -> str | None:
    """Return the kind of a method (:attr:`Method.kind`), None for an unknown one."""
    return METHODS[name].kind if name in METHODS else None


def form_of(name: str) -> str | None:
    """Return the form of a method (:attr:`Method.form`), None for an unknown one."""
    return METHODS[name].form if name in METHODS else None


def label_of(name: str) -> str:
    """Return the name of a method in figures and LaTeX."""
    return (METHODS[name].label if name in METHODS else "") or name


def method_order(name: str) -> int:
    """Return the place of a method in tables and legends; unknown ones come last."""
    return list(METHODS).index(name) if name in METHODS else len(METHODS)
