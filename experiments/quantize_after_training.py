"""One trained bound, every rate: code points against scalar quantizers of the same means.

After Yang, Bamler & Mandt 2020 (arXiv 2002.08158, Figures 4 to 6). All convey the posterior means
of one checkpoint at one λ; what differs is how a mean becomes a symbol, and all that is tuned is
one number a curve. Bytes are written and read; tables are counted on other photographs.

    points        code points by the model's conditional prior, by the penalty
    empirical     code points by a density a channel, by the penalty
    …, codes      the same, chosen by what their codes cost in place of their bits
    points, λ     the third at penalty ln 2, by the λ of the model
    grid          a uniform grid with an entropy code a channel, by its step
    k-means       by the number of levels a channel
    ecsq          entropy-constrained scalar quantization a channel, by its multiplier
    rounding      the codec that was trained to be rounded, by λ
    jpeg, webp, avif   of Pillow, by quality

    python experiments/quantize_after_training.py TRAINING-FOLDER --path KODAK [--images 6]

The checkpoint is one that ``rdbound calibrate`` has written.
"""

import argparse
import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from experiments.codebooks import Codebook, constrained_codebook, grid_codebook, lloyd_codebook
from rdbound.analysis.bd_rate import compare
from rdbound.analysis.curves import ImageCurves, Points
from rdbound.baselines import make_baseline
from rdbound.checkpoints.checkpoint import Checkpoint, load
from rdbound.coding import CODERS, Codec
from rdbound.coding.codecs.codec import datum_kind
from rdbound.coding.coders.base import Coder
from rdbound.coding.coders.vbq.tables import PENALTIES
from rdbound.coding.entropy.range_coder import Reader, UnreadableError, Writer
from rdbound.evaluation.examples import mean_ms_ssim
from rdbound.evaluation.latent_statistics import gaussian_levels
from rdbound.images.sets import ImageSet, open_images
from rdbound.ops.gaussian import LN2
from rdbound.ops.image_quality import psnr
from rdbound.report.document import Table
from rdbound.report.figures.style import STYLE
from rdbound.report.markdown import block_lines

STEPS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
COUNTS = (2, 3, 4, 6, 8, 12, 16, 32)
MULTIPLIERS = (0.01, 0.03, 0.1, 0.3, 0.6, 1.2, 2.5, 5.0)
POINTS = (
    ("points", "conditional", "bits"),
    ("empirical", "empirical", "bits"),
    ("points, codes", "conditional", "codes"),
    ("empirical, codes", "empirical", "codes"),
)
LMBDAS = (0.0009, 0.0018, 0.0035, 0.0067, 0.0130, 0.0250, 0.0483, 0.0932)
QUALITIES = {
    "jpeg": (5, 8, 12, 20, 30, 45, 65, 85),
    "webp": (1, 5, 15, 30, 50, 70, 85, 92),
    "avif": (10, 20, 30, 40, 50, 60, 70, 80),
}
# Okabe & Ito's palette: code points full, scalar quantizers dashed, codecs dotted.
LOOKS = {
    "points": ("#56B4E9", "-"),
    "points, codes": ("#0072B2", "-"),
    "empirical": ("#E69F00", "-"),
    "empirical, codes": ("#D55E00", "-"),
    "points, λ": ("#CC79A7", "-"),
    "grid": ("black", "--"),
    "k-means": ("#999999", "--"),
    "ecsq": ("#009E73", "--"),
    "rounding": ("black", ":"),
    "jpeg": ("#999999", ":"),
    "webp": ("#009E73", ":"),
    "avif": ("#0072B2", ":"),
}
RATE = 0.25  # bits per pixel at which reconstructions are shown
FITTED = 20_000  # means a channel that quantizers are fitted to


class Point(NamedTuple):
    """One image through one quantizer at one setting."""

    curve: str
    setting: float
    image: str
    bpp: float
    mse: float
    ms_ssim: float | None


class BookCoder(Coder):
    """Each channel's means put on the levels of its codebook.

    ``books`` hold, by name, those of each level's channels.
    """

    name, code, channel, form = "codebook", 200, "noiseless", "bound"
    books: ClassVar[dict[str, list[list[Codebook]]]] = {}

    def __init__(self, tables: Any, book: str = ""):
        super().__init__(tables)
        self._book = book

    @property
    def parameters(self) -> dict[str, Any]:
        """The book's name."""
        return {"book": self._book}

    def write(self, level: int, posterior: Any, prior: Any, stream: Writer) -> np.ndarray:
        """See :meth:`Coder.write`."""
        mu = np.asarray(posterior.mu, np.float64)
        books = self.books[self._book][level]
        found = [b.symbols(b.indexes(x)) for b, x in zip(books, _channels(mu), strict=True)]
        stream.symbols(np.stack(found, -1).ravel(), _groups(mu.shape), [b.table for b in books])
        return self._latent(books, found, mu.shape)

    def read(self, level: int, prior: Any, shape: tuple[int, ...], stream: Reader) -> np.ndarray:
        """See :meth:`Coder.read`."""
        books = self.books[self._book][level]
        symbols = stream.symbols(_groups(shape), [b.table for b in books])
        try:
            return self._latent(books, list(_channels(symbols.reshape(shape))), shape)
        except ValueError as error:
            raise UnreadableError(str(error)) from None

    @staticmethod
    def _latent(books: list[Codebook], symbols: list, shape: tuple[int, ...]) -> np.ndarray:
        values = [b.values(s) for b, s in zip(books, symbols, strict=True)]
        return np.stack(values, -1).reshape(shape).astype(np.float32)


def _channels(array: np.ndarray) -> Iterator[np.ndarray]:
    return iter(array.reshape(-1, array.shape[-1]).T)


def _groups(shape: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(np.arange(shape[-1]), shape).ravel()


def gathered(checkpoint: Checkpoint, images: ImageSet, lmbda: float) -> list[list[np.ndarray]]:
    """The means of each level's channels over photographs, at most :data:`FITTED` each."""
    means: dict[int, list[np.ndarray]] = {}
    kind = datum_kind(checkpoint.model)
    for index in range(len(images)):
        for level, found in enumerate(gaussian_levels(kind, images[index], lmbda)):
            mu = np.asarray(found.posterior.mu, np.float64)
            means.setdefault(level, []).append(mu.reshape(-1, mu.shape[-1]))
    stacked = [np.concatenate(means[level]) for level in sorted(means)]
    return [list(x[:: max(1, len(x) // FITTED)].T) for x in stacked]


def fitted_books(means: list[list[np.ndarray]]) -> None:
    """All codebooks of all settings, into the coder."""
    kinds: dict[str, tuple[Callable[[np.ndarray, float], Codebook], tuple]] = {
        "grid": (grid_codebook, STEPS),
        "k-means": (lambda x, count: lloyd_codebook(x, int(count)), COUNTS),
        "ecsq": (constrained_codebook, MULTIPLIERS),
    }
    for kind, (fit, settings) in kinds.items():
        for setting in settings:
            books = [[fit(x, setting) for x in level] for level in means]
            BookCoder.books[f"{kind} {setting:g}"] = books
        print(f"fitted {kind}", flush=True)


def codes(checkpoint: Checkpoint, codec: Checkpoint, lmbda: float) -> Iterator[tuple]:
    """(curve, setting, image → (bytes, decoded)) of every code."""
    for penalty in PENALTIES.tolist():
        for curve, prior, weigh in POINTS:
            of = {"penalty": penalty, "prior": prior, "weigh": weigh}
            yield curve, penalty, _coded(checkpoint, lmbda, "vbq", **of)
    for book in BookCoder.books:
        kind, setting = book.split()
        yield kind, float(setting), _coded(checkpoint, lmbda, "codebook", book=book)
    for own in LMBDAS:
        yield "points, λ", own, _coded(checkpoint, own, "vbq", penalty=LN2, weigh="codes")
        yield "rounding", own, _coded(codec, own, "rounding")
    for kind, qualities in QUALITIES.items():
        for quality in qualities:
            yield kind, quality, _external(kind, quality)


def _coded(checkpoint: Checkpoint, lmbda: float, coder: str, **options: Any) -> Callable:
    codec = Codec(checkpoint.model, checkpoint.tables, coder, None, **options)

    def code(image: np.ndarray) -> tuple[int, np.ndarray]:
        data = codec.encode(image, lmbda).data
        return len(data), codec.decode(data).datum

    return code


def _external(kind: str, quality: int) -> Callable:
    codec = make_baseline(kind)

    def code(image: np.ndarray) -> tuple[int, np.ndarray]:
        data = codec.encode(image, quality)
        return len(data), codec.decode(data, image.shape[:2])

    return code


def measured(name: str, image: np.ndarray, curve: str, setting: float, code: Callable) -> Point:
    """One image coded and decoded."""
    count, decoded = code(image)
    mse = float(np.mean((image.astype(np.float64) - decoded) ** 2))
    similar = mean_ms_ssim(image, decoded[None].astype(np.float32) / 255.0)
    return Point(curve, setting, name, 8 * count / image[..., 0].size, mse, similar)


def curves_of(points: list[Point]) -> dict[str, ImageCurves]:
    """Points by curve and image, for BD-rates."""
    found: dict[str, dict[str, list[Point]]] = {}
    for point in points:
        found.setdefault(point.curve, {}).setdefault(point.image, []).append(point)

    def one(points: list[Point]) -> Points:
        points = sorted(points, key=lambda p: p.bpp)
        bpp, mse = (np.array([getattr(p, n) for p in points]) for n in ("bpp", "mse"))
        return Points(bpp, np.array([psnr(v, 255.0) for v in mse]), mse)

    return {
        name: ImageCurves("kodak", name, {i: one(p) for i, p in images.items()})
        for name, images in found.items()
    }


def bd_rates(points: list[Point]) -> Table:
    """Every curve against the grid and against JPEG."""
    curves = curves_of(points)
    rows = []
    for name, curve in curves.items():
        told = []
        for anchor in ("grid", "jpeg"):
            try:
                told.append("–" if name == anchor else str(compare(curves[anchor], curve)))
            except ValueError as error:
                told.append(str(error))
        rows.append((name, *told))
    return Table(("curve", "BD-rate over the grid", "over JPEG"), rows)


def figure_of(points: list[Point]) -> Figure:
    """Means over images of PSNR and MS-SSIM by rate."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 4.0), layout="constrained")
        left, right = figure.subplots(1, 2)
        for name in dict.fromkeys(p.curve for p in points):
            settings = dict.fromkeys(p.setting for p in points if p.curve == name)
            of = [[p for p in points if p.curve == name and p.setting == s] for s in settings]
            bpp = np.array([np.mean([p.bpp for p in group]) for group in of])
            quality = np.array([np.mean([psnr(p.mse, 255.0) for p in group]) for group in of])
            similar = np.array([np.mean([p.ms_ssim or np.nan for p in group]) for group in of])
            colour, line = LOOKS[name]
            style = {
                "marker": "o",
                "ms": 2.5,
                "lw": 1.1,
                "label": name,
                "color": colour,
                "ls": line,
            }
            order = np.argsort(bpp)
            left.plot(bpp[order], quality[order], **style)
            right.plot(bpp[order], -10 * np.log10(1 - similar[order]), **style)
        left.set(xlabel="bits per pixel", ylabel="PSNR (dB)", xlim=(0.06, 2.0), xscale="log")
        right.set(xlabel="bits per pixel", ylabel="MS-SSIM (dB)", xlim=(0.06, 2.0), xscale="log")
        right.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=7)
    return figure


def one_rate(image: np.ndarray, name: str, points: list[Point], all_codes: list) -> Figure:
    """Figure 5: the middle of one image by every curve, at the setting nearest to :data:`RATE`."""
    shown = [("original", image)]
    for curve in dict.fromkeys(p.curve for p in points):
        own = [p for p in points if p.curve == curve and p.image == name]
        best = min(own, key=lambda p: abs(np.log(p.bpp / RATE)))
        code = next(c for kind, setting, c in all_codes if (kind, setting) == best[:2])
        shown.append(
            (f"{curve}: {best.bpp:.3f} bpp, {psnr(best.mse, 255.0):.1f} dB", code(image)[1])
        )
    return _gallery(shown, 4, 192)


def falling(checkpoint: Checkpoint, image: np.ndarray, lmbda: float) -> Figure:
    """Figure 4: a small image by code points of falling rate, at last the median of the prior."""
    shown = [("original", image)]
    for penalty in [*PENALTIES[1:].tolist(), 16.0 * PENALTIES[-1]]:
        code = _coded(checkpoint, lmbda, "vbq", penalty=float(penalty), weigh="codes")
        count, decoded = code(image)
        shown.append((f"penalty {penalty:.3g}: {8 * count / image[..., 0].size:.3f} bpp", decoded))
    return _gallery(shown, 4, 256)


def _gallery(shown: list[tuple[str, np.ndarray]], columns: int, side: int) -> Figure:
    rows = -(-len(shown) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.6 * columns, 2.8 * rows), layout="constrained")
        panels = figure.subplots(rows, columns).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, (title, picture) in zip(panels, shown, strict=False):
            top, left = (max(0, (n - side) // 2) for n in picture.shape[:2])
            axes.imshow(picture[top : top + side, left : left + side])
            axes.set_title(title, fontsize=7)
    return figure


def main() -> None:
    """Measure, write the points, print BD-rates and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("training", type=Path, help="photographs that quantizers are fitted to")
    parser.add_argument("--checkpoint", default="res-hyper-4-bound")
    parser.add_argument("--codec", default="res-hyper-4-codec")
    parser.add_argument(
        "--lmbda", type=float, default=0.0333, help="a likelihood variance of 0.001"
    )
    parser.add_argument("--path", help="of Kodak; the bundled crops where it is not given")
    parser.add_argument("--images", type=int, default=6)
    parser.add_argument("--fitted", type=int, default=96, help="photographs")
    parser.add_argument("--output", type=Path, default=Path("runs/quantize"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    CODERS[BookCoder.name] = BookCoder
    checkpoint, codec = load(arguments.checkpoint), load(arguments.codec)
    source = "bundled-crops" if arguments.path is None else "kodak"
    images = open_images(source, arguments.path).take(arguments.images)
    training = open_images("folder", str(arguments.training)).take(arguments.fitted)
    fitted_books(gathered(checkpoint, training, arguments.lmbda))
    points: list[Point] = []
    all_codes = list(codes(checkpoint, codec, arguments.lmbda))
    for curve, setting, code in all_codes:
        points += [
            measured(name, images[i], curve, setting, code) for i, name in enumerate(images.names)
        ]
        print(*points[-1], flush=True)
    with (arguments.output / "points.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Point._fields)
        writer.writerows(points)
    figure_of(points).savefig(arguments.output / "quantize.png", dpi=150)
    print("\n".join(block_lines(bd_rates(points))), flush=True)
    one_rate(images[0], images.names[0], points, all_codes).savefig(
        arguments.output / "one_rate.png", dpi=150
    )
    small = open_images("bundled-crops")[0]
    falling(checkpoint, small, arguments.lmbda).savefig(arguments.output / "falling.png", dpi=150)


if __name__ == "__main__":
    main()
