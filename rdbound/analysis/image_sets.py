"""Which images a mean is over, and what they are called."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePath

from rdbound.tables.rd import Row

__all__ = ["bare_names", "check_images", "even", "uneven"]

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm"}
_SHOWN = 3  # λ, and images of each, that a message names


def bare_names(images: Iterable[str]) -> dict[str, str]:
    """Return, by name, the names without the suffix of an image file.

    ``kodim01.png`` of a folder thus has the name of the published ``kodim01``. If two names would
    become one, all are returned unchanged.
    """
    names = set(images)
    bare = {
        i: i.removesuffix(s) if (s := PurePath(i).suffix).lower() in _SUFFIXES else i for i in names
    }
    return bare if len(set(bare.values())) == len(names) else {name: name for name in names}


def check_images(name: str, pairs: Iterable[tuple[float, str]]) -> None:
    """Raise ValueError unless the (λ, image) pairs of ``name`` have the same images at every λ."""
    fault = _fault(name, pairs)
    if fault:
        raise ValueError(fault)


def uneven(rows: Sequence[Row]) -> dict[tuple[str, str, str], str]:
    """Return a sentence for each (data set, model, method) whose images differ between λ."""
    groups: dict[tuple[str, str, str], list[tuple[float, str]]] = {}
    for r in rows:
        groups.setdefault((r.dataset, r.model, r.method), []).append((r.lmbda, r.image))
    faults = {key: _fault(f"{key[1]} {key[2]}", pairs) for key, pairs in groups.items()}
    return {key: fault for key, fault in faults.items() if fault}


def even(rows: Sequence[Row], faults: Collection[tuple[str, str, str]]) -> list[Row]:
    """Return the rows without those of ``faults``, the result of :func:`uneven`."""
    return [r for r in rows if (r.dataset, r.model, r.method) not in faults]


def _fault(name: str, pairs: Iterable[tuple[float, str]]) -> str:
    """Return a sentence with the images that are missing, and their λ; empty if none is."""
    found: dict[float, set[str]] = {}
    for lmbda, image in pairs:
        found.setdefault(lmbda, set()).add(image)
    everything = set().union(*found.values())
    lacking = [
        f"λ = {lmbda:g} lacks {_some(sorted(everything - images))}"
        for lmbda, images in sorted(found.items())
        if images != everything
    ]
    if not lacking:
        return ""
    return f"{name}: means at different λ would be over different images: {_some(lacking, '; ')}"


def _some(names: Sequence[str], separator: str = ", ") -> str:
    more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return separator.join([*names[:_SHOWN], *more])
