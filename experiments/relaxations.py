"""Which relaxation of rounding should a codec's latents be refined through?

After Yang, Bamler & Mandt 2020 (their A1 to A4, Figures 3 and 5, S1 to S3) and Kim et al.
2024. Four questions, each a figure and its numbers:

    scalar     what of z² rounded each relaxation shows to a gradient: E (sample of z)² by z
    curves     the true J of one photograph while it is refined, and true less relaxed J
    savings    BD-rate of the refined codec against the amortized one, photograph by photograph
    schedules  the true J by how fast stochastic Gumbel annealing cools

    python experiments/relaxations.py [scalar curves savings schedules] [--steps 1000]

What the README says of Kodak: ``savings --source kodak --path FOLDER --images 4 --crop 192 --steps
300 --lmbdas 0.0018 0.0067 0.025``, 50 core-minutes: the middles of photographs, since more of them
tell more than more pixels.

Straight-through has the rate 1e-4 and at the others' diverges: it is shown at both. What is
drawn for "savings" is the best by the true objective, as refinement keeps it: early stopping.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib.figure import Figure

from rdbound.analysis.bd_rate import compare
from rdbound.analysis.curves import from_rows
from rdbound.channels import Channel, make_channel
from rdbound.checkpoints.checkpoint import Checkpoint, load
from rdbound.evaluation.evaluate import evaluate
from rdbound.evaluation.examples import ImageExamples
from rdbound.evaluation.options import EvaluationOptions
from rdbound.images.crops import centre_crops
from rdbound.images.sets import ImageSet, open_images
from rdbound.methods import Method
from rdbound.models.base import level_model
from rdbound.objective.datum import image_datum, stack
from rdbound.objective.objective import eight_bit
from rdbound.ops.distributions import Gaussian
from rdbound.optimization.refinement import Refined, RefinementOptions, refine
from rdbound.report.document import Table
from rdbound.report.figures.style import STYLE
from rdbound.report.markdown import block_lines

COLD = 0.05  # the temperature that annealing ends at
CHECKS = 40  # comparisons with the true objective in a refinement


class Relaxation(NamedTuple):
    """A surrogate channel by name, its options, and the learning rate that it wants."""

    name: str
    options: dict[str, float]
    rate: float

    def channel(self) -> Channel:
        """Return the channel."""
        return make_channel(self.name, **self.options)


ANNEALING = {"start": 0.35, "final": COLD}
RELAXATIONS = {
    "map": Relaxation("map", {}, 5e-3),
    "straight-through": Relaxation("straight-through", {}, 1e-4),
    "straight-through, 5e-3": Relaxation("straight-through", {}, 5e-3),
    "uniform": Relaxation("uniform", {}, 5e-3),
    "annealed": Relaxation("annealed", ANNEALING, 5e-3),
    "sga": Relaxation("sga", ANNEALING, 5e-3),
    "soft-rounding": Relaxation("soft-rounding", {}, 5e-3),
}
SCHEDULES = {
    f"warm for {start:.0%}, then to {final:g}": Relaxation(
        "sga", {"start": start, "final": final}, 5e-3
    )
    for start in (0.0, 0.35, 0.7)
    for final in (0.2, 0.05, 0.01)
}


def options_of(steps: int, rate: float) -> RefinementOptions:
    """With the cosine of all that refine."""
    return RefinementOptions(steps, rate, rate / 100, check_every=max(1, steps // CHECKS))


def middles(images: ImageSet, side: int | None) -> ImageSet:
    """The middle square of every image; whole images where ``side`` is None."""
    if side is None:
        return images
    return ImageSet(f"{images.name}-{side}", images.names, centre_crops(images, side).__getitem__)


def traced(
    checkpoint: Checkpoint,
    image: np.ndarray,
    lmbda: float,
    channel: Channel,
    options: RefinementOptions,
) -> Refined:
    """The refinement of one image, with its traces."""
    model = checkpoint.model
    data, lmbdas = stack([image_datum(image, model.stride)]), jnp.full(1, lmbda)
    variational = jax.vmap(level_model(model).infer)(data.x, lmbdas)
    solve = refine(model, channel, make_channel("rounding"), eight_bit, options)
    return jax.tree.map(
        lambda a: a[0], solve(data, variational, lmbdas, jax.random.split(jax.random.key(0), 1))
    )


def curves(checkpoint: Checkpoint, images, arguments) -> Table:
    """Figure 3: true J, and true less relaxed J, by steps."""
    figure, (left, right) = _two_panels()
    rows = []
    for name, relaxation in RELAXATIONS.items():
        options = options_of(arguments.steps, relaxation.rate)
        found = traced(checkpoint, images[0], arguments.lmbdas[0], relaxation.channel(), options)
        true, relaxed = np.asarray(found.trace), np.asarray(found.relaxed)
        steps = np.minimum(np.arange(len(true)) * options.check_every, options.steps)
        left.plot(steps, true, label=name, lw=1.2)
        right.plot(steps[1:], true[1:] - relaxed, lw=1.2)
        gains = 100.0 * np.log(true / true[0])
        rows.append(
            (
                name,
                f"{true[0]:.4f}",
                f"{true.min():.4f}",
                f"{gains.min():+.2f}",
                f"{gains[-1]:+.2f}",
                f"{true[-1] - relaxed[-1]:+.4f}",
            )
        )
        print(name, rows[-1], flush=True)
    left.set(xlabel="steps", ylabel="true J (bits per pixel)")
    left.set_ylim(top=float(true[0]) * 1.05)
    right.set(xlabel="steps", ylabel="true − relaxed J")
    right.axhline(0.0, color="black", lw=0.5)
    figure.legend(frameon=False, fontsize=7, loc="outside lower center", ncols=4)
    figure.savefig(arguments.output / "curves.png")
    header = ("relaxation", "J at the start", "least J", "least, %", "last, %", "true − relaxed")
    return Table(header, rows)


def schedules(checkpoint: Checkpoint, images, arguments) -> Table:
    """Figure S3: the least true J by the schedule of the temperature."""
    rows = []
    for name, relaxation in SCHEDULES.items():
        options = options_of(arguments.steps, relaxation.rate)
        found = traced(checkpoint, images[0], arguments.lmbdas[0], relaxation.channel(), options)
        gain = 100.0 * np.log(np.asarray(found.trace) / float(found.trace[0]))
        rows.append((name, f"{gain.min():+.2f}", f"{gain[-1]:+.2f}"))
        print(rows[-1], flush=True)
    return Table(("schedule", "least J, %", "last J, %"), rows)


def savings(checkpoint: Checkpoint, images, arguments) -> Table:
    """Figure 5: BD-rate over the amortized codec, ideal code lengths."""
    examples, found = ImageExamples(images), {}
    for name, relaxation in RELAXATIONS.items():
        method = Method(
            "codec-relaxed-ideal",
            "ideal",
            "codec",
            "rounding",
            "eight-bit",
            surrogate=relaxation.name,
        )
        options = EvaluationOptions(
            tuple(arguments.lmbdas),
            refine=options_of(arguments.steps, relaxation.rate),
            methods=("codec-ideal", method),
            surrogates={relaxation.name: relaxation.options},
        )
        of = from_rows(list(evaluate(checkpoint, examples, options)))
        plain, refined = (
            next(curve for key, curve in of.items() if method in key)
            for method in ("codec-ideal", method.name)
        )
        found[name] = compare(plain, refined)
        print(name, found[name], flush=True)
    figure = _bars(found)
    figure.savefig(arguments.output / "savings.png")
    return Table(
        ("relaxation", "BD-rate over the amortized codec"),
        [(name, str(value)) for name, value in found.items()],
    )


def scalar(checkpoint: Checkpoint, images, arguments) -> Table:
    """Figures S1 and S2: E (sample of z)², whose least over integers is at 0."""
    z = jnp.linspace(-1.45, 1.45, 291)
    prior = Gaussian(jnp.zeros_like(z), jnp.zeros_like(z))
    shown = {
        "straight-through": make_channel("straight-through"),
        "uniform": make_channel("uniform"),
        **{
            f"{name}, τ = {tau:g}": make_channel(name, initial=tau)
            for name in ("annealed", "sga")
            for tau in (0.5, 0.1)
        },
        "soft-rounding, first": make_channel("soft-rounding").at(0.0),
        "soft-rounding, last": make_channel("soft-rounding").at(1.0),
    }
    figure, (left, right) = _two_panels()
    rows = []
    for name, channel in shown.items():

        def value(z, channel=channel):
            draws = jax.vmap(lambda k: channel(Gaussian(z, z), prior, k).sample)
            return jnp.mean(draws(jax.random.split(jax.random.key(0), 4000)) ** 2, axis=0)

        mean, slope = jax.vjp(value, z)
        gradient = slope(jnp.ones_like(z))[0]
        left.plot(z, mean, label=name, lw=1.2)
        right.plot(z, gradient, lw=1.2)
        at = [int(np.argmin(np.abs(np.asarray(z) - x))) for x in (0.25, 0.5, 1.0)]
        rows.append(
            (
                name,
                *(f"{float(mean[i]):.3f}" for i in at),
                *(f"{float(gradient[i]):+.3f}" for i in at),
            )
        )
    left.plot(z, jnp.round(z) ** 2, color="black", lw=0.8, label="rounded")
    left.set(xlabel="z", ylabel="E (sample of z)²")
    right.set(xlabel="z", ylabel="its gradient", ylim=(-8, 8))
    figure.legend(frameon=False, fontsize=7, loc="outside lower center", ncols=5)
    figure.savefig(arguments.output / "scalar.png")
    at = ("z = ¼", "½", "1")
    return Table(
        ("relaxation", *(f"value, {x}" for x in at), *(f"gradient, {x}" for x in at)), rows
    )


QUESTIONS = {"scalar": scalar, "curves": curves, "savings": savings, "schedules": schedules}


def _two_panels():
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.0, 3.2), layout="constrained")
        return figure, figure.subplots(1, 2)


def _bars(found: dict) -> Figure:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.2), layout="constrained")
        axes = figure.add_subplot()
        for place, value in enumerate(found.values()):
            axes.barh(place, value.value, color="#0072B2")
            if value.interval is not None:
                axes.hlines(place, *value.interval, color="black")
        axes.set_yticks(range(len(found)), list(found))
        axes.invert_yaxis()
        axes.set_xlabel("BD-rate over the amortized codec (%)")
    return figure


def main() -> None:
    """Answer what is asked, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("questions", nargs="*", help=", ".join(QUESTIONS))
    parser.add_argument("--checkpoint", default="res-hyper-4-codec")
    parser.add_argument("--lmbdas", type=float, nargs="+", default=(0.0067, 0.0018, 0.0483, 0.0181))
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--source", default="bundled-crops")
    parser.add_argument("--path", help="of the source's files")
    parser.add_argument("--crop", type=int, help="side of the middle to take of each image")
    parser.add_argument("--output", type=Path, default=Path("runs/relaxations"))
    arguments = parser.parse_args()
    unknown = set(arguments.questions) - set(QUESTIONS)
    if unknown:
        parser.error(f"no question {', '.join(unknown)}: choose among {', '.join(QUESTIONS)}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    checkpoint = replace(load(arguments.checkpoint), name=arguments.checkpoint)
    images = middles(
        open_images(arguments.source, arguments.path).take(arguments.images), arguments.crop
    )
    for name in arguments.questions or QUESTIONS:
        print("\n".join(block_lines(QUESTIONS[name](checkpoint, images, arguments))), flush=True)


if __name__ == "__main__":
    main()
