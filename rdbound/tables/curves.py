"""A plain curve: a CSV with the columns ``bpp`` and ``psnr`` (or ``psnr_rgb``), a point a line.

By MS-SSIM the second is ``ms_ssim`` (or ``ms_ssim_rgb``), as a number up to 1.

With a column ``image`` the points are of single images. Without, they are means, and a
column ``images`` says over how many.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rdbound.tables.cells import cell_error, integer, number, optional, read_cells
from rdbound.tables.csv_records import read_header, read_rows
from rdbound.tables.rd import MEAN

__all__ = ["PlainCurve", "read_plain"]

_READERS = {
    "bpp": number(above=0.0),
    "psnr": number(),
    "ms_ssim": number(),
    "images": optional(integer(least=1)),
}
_COLUMNS = {"psnr": "psnr", "ms-ssim": "ms_ssim"}
_OF_ONE = ("dataset", "model", "method", "images")
"""Columns that may stand beside, and hold one value."""


@dataclass(frozen=True)
class PlainCurve:
    """Points (bits per pixel, PSNR in dB or MS-SSIM) by image; a mean's are by the empty name.

    ``count`` is the number of images of a mean, None where nobody says.
    """

    points: dict[str, list[tuple[float, float]]]
    count: int | None


def read_plain(path: Path, dataset: str, metric: str = "psnr") -> PlainCurve:
    """Read and check a plain curve on ``dataset`` by ``psnr`` or ``ms-ssim``.

    Raises ValueError naming the file, the line and the column of what is not a
    positive rate, a finite PSNR, an MS-SSIM up to 1, or a whole number of images, of a mean
    among single images, and of a second data set, model or method.
    """
    column = _COLUMNS[metric]
    former = {} if column in read_header(path) else {f"{column}_rgb": column}
    found = list(read_rows(path, ("bpp", column), "a curve", former))
    if not found:
        raise ValueError(f"{path}: holds no points")
    _check_one(path, found, dataset)
    points: dict[str, list[tuple[float, float]]] = {}
    count = None
    readers = {name: _READERS[name] for name in ("bpp", column, "images")}
    for line, record in found:
        values = read_cells(path, line, {"images": ""} | record, readers)
        if column == "ms_ssim" and values[column] > 1.0:
            raise cell_error(path, line, column, record[column], "is above 1")
        points.setdefault(_image(record), []).append((values["bpp"], values[column]))
        count = values["images"]
    return PlainCurve(points, count if "" in points else None)


def _image(record: Mapping[str, str]) -> str:
    """Empty for a mean."""
    image = record.get("image", "")
    return "" if image == MEAN else image


def _check_one(path: Path, found: Sequence[tuple[int, Mapping[str, str]]], dataset: str) -> None:
    """Raise ValueError unless all points are of one curve on ``dataset``."""
    first = found[0][1]
    for line, record in found:
        if record.get("dataset", dataset) != dataset:
            raise cell_error(path, line, "dataset", record["dataset"], f"is not {dataset!r}")
        for name in _OF_ONE:
            if record.get(name) != first.get(name):
                wrong = f"follows {first[name]!r}: a plain curve is of one"
                raise cell_error(path, line, name, record[name], wrong)
        if bool(_image(record)) != bool(_image(first)):
            wrong = "stands among means" if _image(record) else "is a mean among single images"
            raise cell_error(path, line, "image", record["image"], wrong)
