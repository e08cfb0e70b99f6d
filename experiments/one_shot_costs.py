"""What does one pay for conveying samples one at a time, and not asymptotically many?

Of a Gaussian source whose R(D) is known, and of a photograph. Three questions, each a figure
and its numbers:

    quantizers   bits over R(D) by the rate: dithered and layered quantizers, coded, against their
                 theory (Ziv 1985; Hegazy & Li 2022), down to low rates
    blocks       relative entropy coding of Gaussian samples by what a block of them tells: bits
                 over the divergence, and how far what is conveyed is from a sample; theory's
                 I + log₂(I + 1) + 4 beside (Li & El Gamal 2018)
    photograph   the same of a bound's latents: bits over the divergence and PSNR by the block, and
                 of the layered quantizer, whose block is one latent
    picture      all of them in one: bits a block over the divergence by what a block tells, with
                 theory's curves beneath; of whatever overheads.csv holds

    python experiments/one_shot_costs.py [quantizers blocks photograph] [--image FILE]
"""

import argparse
import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scipy import integrate, stats

from rdbound.channels import make_channel
from rdbound.checkpoints.checkpoint import load
from rdbound.coding import Codec, make_coder
from rdbound.coding.entropy.range_coder import Writer
from rdbound.coding.entropy.scale_table import SCALES
from rdbound.images.files import read_image
from rdbound.images.sets import open_images
from rdbound.objective.datum import image_datum
from rdbound.objective.levels import latent_shapes
from rdbound.objective.objective import objective
from rdbound.ops.distributions import Gaussian
from rdbound.ops.tied_scale import PriorScaled
from rdbound.report.document import Table
from rdbound.report.figures.style import STYLE
from rdbound.report.markdown import block_lines
from rdbound.theory.one_shot_bounds import least_excess

OVERHEADS = "overheads.csv"
COUNT = 200_000
RATES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)
BATCHES = 10  # of them, by which a standard error is estimated


class Overhead(NamedTuple):
    """What one way to convey samples costs.

    Attributes:
      source: of the samples.
      coder: and its rule.
      told: divergence of a block, bits.
      over: bits beyond it.
    """

    source: str
    coder: str
    told: float
    over: float


class Written(NamedTuple):
    """What a coder made of latents: themselves as the decoder sees them, and bits of each."""

    latent: np.ndarray
    bits: float


def written(name: str, form: str, posterior: Any, prior: Any, **options: Any) -> Written:
    """One level through a coder, bits a latent."""
    writer = Writer()
    latent = make_coder(name, form, {}, **options).write(0, posterior, prior, writer)
    return Written(latent, 8 * len(writer.finish()) / latent.size)


def source(rng: np.random.Generator, count: int) -> np.ndarray:
    """N(0, 1), float32 [count, 1]."""
    return rng.standard_normal((count, 1)).astype(np.float32)


def dithered_theory(scale: float) -> float:
    """Of N(0, scale²) and a unit step: h(N + U) bits, by quadrature."""

    def integrand(y: float) -> float:
        p = stats.norm.cdf((y + 0.5) / scale) - stats.norm.cdf((y - 0.5) / scale)
        return -p * np.log2(p) if p > 0 else 0.0

    reach = 10 * scale + 1
    return 2 * integrate.quad(integrand, 0, reach, limit=400)[0]


def quantizers(arguments: argparse.Namespace) -> Table:
    """Bits over R(D), measured in batches, and the theory of the dithered one."""
    rng, rows, drawn = np.random.default_rng(0), [], {}
    for rate in arguments.rates:
        D = float(4.0**-rate)
        layered = _in_batches(lambda k, D=D: _layered(rng, D, k))
        # A coder's scales end at 0.11 of a step.
        small = SCALES.scale(0) ** 2 > (1 - D) / (12 * D)
        dithered = (np.nan, np.nan) if small else _in_batches(lambda k, D=D: _dithered(rng, D, k))
        step = np.sqrt(12 * D / (1 - D))
        theory = dithered_theory(1 / step) - rate
        cells = [mean - rate for mean, _ in (layered, dithered)]
        drawn[rate] = (*cells, theory)
        rows.append(
            (
                f"{rate:.3f}",
                f"{D:.4g}",
                f"{cells[0]:+.4f} ± {layered[1]:.4f}",
                f"{cells[1]:+.4f} ± {dithered[1]:.4f}",
                f"{theory:+.4f}",
            )
        )
        print(rows[-1], flush=True)
    names = ("layered", "dithered")
    found = [
        Overhead("Gaussian", name, rate, values[place])
        for rate, values in drawn.items()
        for place, name in enumerate(names)
    ]
    keep(arguments, found)
    figure, axes = _panel()
    rates = np.array(list(drawn))
    values = np.array(list(drawn.values()))
    axes.plot(rates, values[:, 0], "s-", ms=3, lw=1.2, label="layered: exact Gaussian samples")
    axes.plot(rates, values[:, 1], "o", ms=4, label="dithered, scaled by the decoder")
    axes.plot(rates, values[:, 2], lw=1.2, color="black", label="dithered, theory")
    for level in (0.5208, 0.2546):
        axes.axhline(level, color="grey", lw=0.7, ls="--")
    axes.set(xlabel="R(D), bits per dimension", ylabel="bits over R(D)")
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(arguments.output / "quantizers.png", dpi=150)
    header = ("R(D)", "D", "layered, over", "dithered, over", "its theory")
    return Table(header, rows)


def _layered(rng: np.random.Generator, D: float, seed: int) -> float:
    """The test channel of D, in units of √D: N(0, 1/D − 1) is the prior, c = 1."""
    x = source(rng, COUNT // BATCHES) / np.float32(D**0.5)
    prior = Gaussian(np.zeros_like(x), np.full_like(x, 0.5 * np.log(1 / D - 1)))
    posterior = PriorScaled((1 - D) * x, np.zeros(1, np.float32))
    found = written("layered", "bound", posterior, prior, seed=seed)
    assert abs(np.mean((found.latent - x) ** 2) - 1) < 0.2
    return found.bits


def _dithered(rng: np.random.Generator, D: float, seed: int) -> float:
    """A step so large that the decoder's best multiple of what it gets has the distortion D."""
    x = source(rng, COUNT // BATCHES)
    step = np.float32(np.sqrt(12 * D / (1 - D)))
    prior = Gaussian(np.zeros_like(x), np.full_like(x, -np.log(step)))
    found = written("dithered", "codec", Gaussian(x / step, x), prior, seed=seed)
    assert abs(np.mean(((1 - D) * step * found.latent - x) ** 2) / D - 1) < 0.2
    return found.bits


def _in_batches(one: Any) -> tuple[float, float]:
    values = [one(seed) for seed in range(BATCHES)]
    return float(np.mean(values)), float(np.std(values, ddof=1) / BATCHES**0.5)


RULES = {
    "exact": {"rule": "exact"},
    "ordered, e² more samples": {"rule": "ordered", "more": 2.0},
    "minimal, e² more samples": {"rule": "minimal", "more": 2.0},
    "beam of 16, steps of 3 nats": {"rule": "beam", "nats": 3.0, "bits": 5},
    "beam of 16, steps of 6.6 nats": {"rule": "beam", "nats": 6.6, "bits": 10},
}


def blocks(arguments: argparse.Namespace) -> Table:
    """Of posteriors N(ν, ρ²), ν² = 1 − ρ² on average: by the divergence of a block."""
    rng, rows, drawn = np.random.default_rng(0), [], {name: [] for name in RULES}
    for told in arguments.told:
        for name, given in RULES.items():
            row = _one_block(rng, told, given)
            if row is not None:
                drawn[name].append((told, row[0], row[1]))
                rows.append(
                    (
                        f"{told:g}",
                        name,
                        f"{row[0]:+.2f}",
                        f"{100 * row[0] / told:+.1f}",
                        f"{row[1]:.3f}",
                    )
                )
                print(rows[-1], flush=True)
    keep(
        arguments,
        [
            Overhead("Gaussian", f"rec, {name}", told, over)
            for name, points in drawn.items()
            for told, over, _ in points
        ],
    )
    figure, (left, right) = _panels()
    for name, points in drawn.items():
        if points:
            bits, over, error = np.array(points).T
            left.plot(bits, over, "o-", ms=3, lw=1.2, label=name)
            right.plot(bits, error, "o-", ms=3, lw=1.2)
    told = np.geomspace(min(arguments.told), max(arguments.told))
    left.plot(told, np.log2(told + 1) + 4, color="black", lw=0.8, label="log₂(I + 1) + 4")
    left.set(xlabel="divergence of a block, bits", ylabel="bits over it", xscale="log")
    left.set_yscale("symlog", linthresh=4)
    right.axhline(1.0, color="black", lw=0.8)
    right.set(xlabel="divergence of a block, bits", ylabel="E (z − ν)²/ρ²", xscale="log")
    left.legend(frameon=False, fontsize=7)
    figure.savefig(arguments.output / "blocks.png", dpi=150)
    header = ("bits a block", "rule", "bits over", "per cent", "E (z − ν)²/ρ²")
    return Table(header, rows)


def _one_block(rng: np.random.Generator, told: float, given: dict) -> Any:
    """(bits over, error) of blocks of four latents or more; None where a rule is too slow."""
    options = dict(given)
    more = options.pop("more", None)
    nats = told * np.log(2)
    if options["rule"] == "exact" and told > 4:
        return None
    if more is not None:
        bits = int(np.ceil((nats + more) / np.log(2)))
        if bits > 14:
            return None
        options |= {"bits": bits}
    size = int(max(4, 2 ** np.round(np.log2(told / 0.75))))  # about ¾ of a bit a latent
    if options["rule"] != "beam":
        options |= {"nats": 20.0}  # one step a block, however its own divergence falls out
    rho = float(np.exp(-nats / size))
    count = size * max(64, 8192 // size)
    nu = (np.sqrt(1 - rho**2) * rng.standard_normal((count, 1))).astype(np.float32)
    prior = Gaussian(np.zeros_like(nu), np.zeros_like(nu))
    posterior = Gaussian(nu, np.full_like(nu, np.log(rho)))
    found = written("rec", "bound", posterior, prior, block=nats, **options)
    error = float(np.mean((found.latent - nu) ** 2) / rho**2)
    divergence = float(np.mean(0.5 * (rho**2 + nu**2 - 1)) - np.log(rho)) / np.log(2)
    return size * (found.bits - divergence), error


def photograph(arguments: argparse.Namespace) -> Table:
    """A bound's latents by relative entropy coding: bits over KL and PSNR by the block."""
    checkpoint, image = load(arguments.checkpoint), _image(arguments)
    pixels, lmbda = image.shape[0] * image.shape[1], arguments.lmbda
    datum = image_datum(image, checkpoint.model.stride)
    ideal = jax.jit(
        lambda key: objective(checkpoint.model, make_channel("gaussian"), datum, key, lmbda)
    )(jax.random.key(0))
    bits, mse = float(jnp.sum(jnp.asarray(ideal.bits))), float(ideal.distortion)
    rows, drawn = [], []
    for block in arguments.sizes:
        codec = Codec(checkpoint.model, checkpoint.tables, "rec", block=block)
        began = time.perf_counter()
        data = codec.encode(image, lmbda).data
        encoded = time.perf_counter()
        decoded = codec.decode(data).datum
        seconds = encoded - began, time.perf_counter() - encoded
        error = float(np.mean((image.astype(np.float64) - decoded) ** 2))
        over = 100 * (8 * len(data) / bits - 1)
        loss = 10 * np.log10(error / mse)
        J = 8 * len(data) / pixels + lmbda * error
        told = block / np.log(2)
        theory = 100 * (np.log2(told + 1) + 4) / told
        drawn.append((told, over, loss, theory))
        rows.append(
            (
                f"{told:.0f}",
                f"{8 * len(data) / pixels:.4f}",
                f"{over:+.1f}",
                f"{theory:+.1f}",
                f"{-loss:+.2f}",
                f"{100 * (J / (bits / pixels + lmbda * mse) - 1):+.1f}",
                f"{seconds[0]:.0f}",
                f"{seconds[1]:.1f}",
            )
        )
        print(rows[-1], flush=True)
    found = [
        Overhead("photograph", "rec, beam of 16", told, told * over / 100)
        for told, over, *_ in drawn
    ]
    layered = Codec(checkpoint.model, checkpoint.tables, "layered").encode(image, lmbda).data
    shapes = latent_shapes(checkpoint.model, datum.x.shape)
    latents = sum(int(np.prod(shape)) for shape in shapes)
    over = (8 * len(layered) - bits) / latents
    keep(arguments, [*found, Overhead("photograph", "layered", bits / latents, over)])
    _draw_photograph(np.array(drawn), arguments.output / "photograph.png")
    header = (
        "bits a block",
        "bpp",
        "over KL, %",
        "I + log₂(I + 1) + 4, %",
        "ΔPSNR, dB",
        "J, %",
        "encode, s",
        "decode, s",
    )
    return Table(header, rows)


def keep(arguments: argparse.Namespace, found: Sequence[Overhead]) -> None:
    """Put overheads in the table, in the place of what it held of their sources and coders."""
    new = {(one.source, one.coder) for one in found}
    kept = [one for one in read_overheads(arguments) if (one.source, one.coder) not in new]
    with (arguments.output / OVERHEADS).open("w", newline="") as file:
        csv.writer(file).writerows([Overhead._fields, *kept, *found])


def read_overheads(arguments: argparse.Namespace) -> list[Overhead]:
    """What earlier questions found; none where there is no file."""
    path = arguments.output / OVERHEADS
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [Overhead(r["source"], r["coder"], float(r["told"]), float(r["over"])) for r in rows]


def picture(arguments: argparse.Namespace) -> Table:
    """The asymptotic gap: what one pays for blocks that are not infinite."""
    found = read_overheads(arguments)
    if not found:
        raise SystemExit(f"{arguments.output / OVERHEADS}: nothing yet; ask the other questions")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        axes = figure.subplots()
    rows = []
    for source_name, coder in dict.fromkeys((one.source, one.coder) for one in found):
        own = [one for one in found if one[:2] == (source_name, coder) and one.over > 0]
        own.sort(key=lambda one: one.told)
        told, over = np.array([(one.told, one.over) for one in own]).T
        style = "s--" if source_name == "photograph" else "o-"
        axes.plot(told, over, style, ms=3.5, lw=1.1, label=f"{coder} ({source_name})")
        rows += [
            (coder, source_name, f"{t:.3g}", f"{o:.3g}", f"{100 * o / t:.1f}")
            for t, o in zip(told, over, strict=True)
        ]
    told = np.geomspace(*axes.get_xlim()) if axes.get_xlim()[0] > 0 else np.geomspace(0.01, 1000)
    axes.plot(
        told,
        [least_excess(t) for t in told],
        color="black",
        lw=0.9,
        label="theory: what no block need exceed",
    )
    for level, style, of in ((0.5208, ":", "layered"), (0.2546, "-.", "dithered")):
        axes.axhline(level, color="grey", lw=0.8, ls=style, label=f"theory: {of}, high rate")
    axes.set(
        xlabel="divergence of a block (bits)", ylabel="bits over it", xscale="log", yscale="log"
    )
    axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figure.savefig(arguments.output / "picture.png", dpi=150)
    return Table(("coder", "source", "bits a block", "bits over", "per cent"), rows)


def _draw_photograph(drawn: np.ndarray, path: Path) -> None:
    figure, (left, right) = _panels()
    left.plot(drawn[:, 0], drawn[:, 1], "o-", ms=3, lw=1.2, label="written")
    left.plot(drawn[:, 0], drawn[:, 3], color="black", lw=0.8, label="exact: log₂(I + 1) + 4")
    left.set(
        xlabel="bits a block",
        ylabel="bits over the divergence, per cent",
        xscale="log",
        yscale="log",
    )
    right.plot(drawn[:, 0], -drawn[:, 2], "o-", ms=3, lw=1.2)
    right.axhline(0.0, color="black", lw=0.8)
    right.set(xlabel="bits a block", ylabel="PSNR less that of a sample (dB)", xscale="log")
    left.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)


def _image(arguments: argparse.Namespace) -> np.ndarray:
    if arguments.image is not None:
        return read_image(arguments.image)
    return open_images("bundled-crops")[0]


QUESTIONS = {
    "quantizers": quantizers,
    "blocks": blocks,
    "photograph": photograph,
    "picture": picture,
}


def _panel() -> tuple[Figure, Any]:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        return figure, figure.subplots()


def _panels() -> tuple[Figure, Any]:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.0, 3.2), layout="constrained")
        return figure, figure.subplots(1, 2)


def main(argv: Sequence[str] | None = None) -> None:
    """Answer what is asked, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("questions", nargs="*", help=", ".join(QUESTIONS))
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="bits a dimension")
    parser.add_argument(
        "--told",
        type=float,
        nargs="+",
        default=(1, 2, 4, 6, 8, 12, 24, 48, 144),
        help="bits a block",
    )
    parser.add_argument(
        "--sizes",
        type=float,
        nargs="+",
        default=(7, 25, 100, 400),
        help="nats a block of a photograph",
    )
    parser.add_argument("--checkpoint", default="res-hyper-4-bound")
    parser.add_argument("--lmbda", type=float, default=0.0067)
    parser.add_argument("--image", type=Path, help="a photograph; a bundled crop by default")
    parser.add_argument("--output", type=Path, default=Path("runs/one_shot_costs"))
    arguments = parser.parse_args(argv)
    unknown = set(arguments.questions) - set(QUESTIONS)
    if unknown:
        parser.error(f"no question {', '.join(unknown)}: choose among {', '.join(QUESTIONS)}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.questions or QUESTIONS:
        print("\n".join(block_lines(QUESTIONS[name](arguments))), flush=True)


if __name__ == "__main__":
    main()
