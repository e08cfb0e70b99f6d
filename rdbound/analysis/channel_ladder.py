"""The ladder: what each way to turn one latent into bytes costs over the analog channel.

A rung is a channel with the coder that realizes it. Its J less that of the Gaussian bound
has two parts:

    digitization   J_ideal − J_bound    channel against channel, by ideal rates
    asymptotic     J_coded − J_ideal    the bytes against the ideal of the same channel

Both are in bits per pixel and as BD-rate between the curves. Refined rungs are compared with the
refined bound if the table has one, amortized ones with the amortized bound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rdbound.analysis.bd_rate import BDRate, compared
from rdbound.analysis.confidence import interval
from rdbound.analysis.curves import from_rows
from rdbound.methods import METHODS, Method, method_order, roles, written_by
from rdbound.tables.rd import Row, check_unique

__all__ = ["Mean", "Rung", "has_rungs", "ladder"]

_BOUND, _REFINED = "bound", "bound-refined"  # roles


@dataclass(frozen=True)
class Mean:
    """A mean over images, with its 95 % interval if there are enough images."""

    value: float
    interval: tuple[float, float] | None

    def __str__(self) -> str:
        if self.interval is None:
            return f"{self.value:+.4f}"
        return f"{self.value:+.4f} [{self.interval[0]:+.4f}, {self.interval[1]:+.4f}]"


@dataclass(frozen=True)
class Rung:
    """One way to convey the latents, against the bound.

    Attributes:
      method: method of the ideal rates.
      model: name of the model.
      against: method of the bound it is compared with.
      J: mean of the ideal J by λ, bits per pixel.
      digitization: digitization by λ, bits per pixel.
      asymptotic: asymptotic part by λ, bits per pixel; empty if no bytes were written.
      bd_digitization: the ideal curve against the bound's; or the reason why there is none.
      bd_asymptotic: the bytes' curve against the ideal's; None without bytes.
    """

    method: str
    model: str
    against: str
    J: Mapping[float, float]
    digitization: Mapping[float, Mean]
    asymptotic: Mapping[float, Mean]
    bd_digitization: BDRate | str
    bd_asymptotic: BDRate | str | None


def has_rungs(rows: Sequence[Row]) -> bool:
    """Return whether a table has a bound and a rung that belongs to a group of methods."""
    methods = {r.method for r in rows}
    records = [METHODS[name] for name in methods if name in METHODS]
    return _BOUND in roles(methods) and any(
        m.groups and not m.role and _is_rung(m) for m in records
    )


def ladder(rows: Sequence[Row], bound: str | None = None, method: str = "pchip") -> list[Rung]:
    """Return the rungs of a table, from the bound to the bytes, in the order of the methods.

    Args:
      rows: rows of one data set.
      bound: name of the bound's model; the only one by default.
      method: interpolation, of :data:`rdbound.analysis.bd_rate.INTERPOLATIONS`.

    Raises:
      ValueError: the rows are of several data sets, two rows have one key, the bound is missing or
        ambiguous, or a rung has no image and λ in common with it.
    """
    check_unique(rows, "the tables")
    datasets = sorted({r.dataset for r in rows})
    if len(datasets) != 1:
        raise ValueError(f"a ladder is of one data set; the tables hold {', '.join(datasets)}")
    name = _bound_model(rows, bound)
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.model, row.method), []).append(row)
    keys = sorted(
        (k for k in groups if _belongs(k, name)), key=lambda k: (method_order(k[1]), k[0])
    )
    return [_rung(key, groups, name, method) for key in keys]


def _bound_model(rows: Sequence[Row], bound: str | None) -> str:
    bounds = [r for r in rows if r.method in METHODS and _role(METHODS[r.method]) == _BOUND]
    known = sorted({r.model for r in bounds})
    if bound is None and len(known) == 1:
        return known[0]
    if bound not in known:
        listed = ", ".join(known) or "none"
        raise ValueError(f"choose the bound's model with --bound; the tables hold: {listed}")
    return bound


def _role(method: Method) -> str:
    return method.role or method.name


def _is_rung(method: Method) -> bool:
    """Return whether the posterior is factorized and the output one of a bound or of a codec."""
    realizable = method.decode == ("clip" if method.kind == "bound" else "eight-bit")
    return method.kind in ("bound", "ideal") and realizable and method.posterior == "factorized"


def _belongs(key: tuple[str, str], bound: str) -> bool:
    model, name = key
    if name not in METHODS or not _is_rung(METHODS[name]):
        return False
    return METHODS[name].form != "bound" or model == bound


def _rung(
    key: tuple[str, str], groups: Mapping[tuple[str, str], list[Row]], bound: str, method: str
) -> Rung:
    model, name = key
    bounds = roles({method for owner, method in groups if owner == bound})
    refined = METHODS[name].surrogate is not None and _REFINED in bounds
    against = bounds[_REFINED if refined else _BOUND]
    lower = groups[bound, against]
    ideal = _common(groups[key], lower)
    kinds = written_by(name) if METHODS[name].kind == "ideal" else ()
    written = next((groups[model, m] for m in kinds if (model, m) in groups), [])
    coded = _common(written, ideal)
    digitization = _differences(ideal, lower)
    if not digitization:
        raise ValueError(f"{model} {name} has no image and λ in common with {bound} {against}")
    return Rung(
        name,
        model,
        against,
        {lmbda: float(np.mean([r.J for r in ideal if r.lmbda == lmbda])) for lmbda in digitization},
        digitization,
        _differences(coded, ideal),
        _bd_rate(lower, ideal, method),
        _bd_rate(ideal, coded, method) if coded else None,
    )


def _common(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Return the rows of an image and λ that the others have too."""
    known = {(r.lmbda, r.image) for r in others}
    return [r for r in rows if (r.lmbda, r.image) in known]


def _differences(upper: Sequence[Row], lower: Sequence[Row]) -> dict[float, Mean]:
    """Return the differences of J by λ; the lower rows have every image and λ of the upper."""
    known = {(r.lmbda, r.image): r.J for r in lower}
    found: dict[float, list[float]] = {}
    for row in upper:
        found.setdefault(row.lmbda, []).append(row.J - known[row.lmbda, row.image])
    return {k: Mean(float(np.mean(v)), interval(v)) for k, v in sorted(found.items())}


def _bd_rate(lower: Sequence[Row], upper: Sequence[Row], method: str) -> BDRate | str:
    try:
        anchor, test = (next(iter(from_rows(of).values())) for of in (lower, upper))
    except ValueError as error:
        return str(error)
    return compared(anchor, test, method)
