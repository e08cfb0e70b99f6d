"""What gets more bound out of ten minutes of one core?

One choice of a training run is changed at a time. Every run has as many steps as fit into
the same seconds of one core (compilation apart), its schedule as long as these, and is
judged by J of its averaged weights on photographs that no run trains on: their middle
256×256 pixels, at four rates, with the same noise for all. A choice's effect is the mean
over photographs of log J less the first choice's, in per cent, ± its standard error over
photographs.

First the steps of every program are timed, the median of some, two processes at a time and
each on a core of its own: leave the machine alone for these minutes. The number of steps is
then fixed, so that what runs beside the training makes it later and changes nothing else.

    python experiments/training_recipe.py FOLDER [--minutes 10] [--only NAME ...]

The same for models of several kinds, an hour each:

    python experiments/training_recipe.py FOLDER --minutes 60 --against res-hyper
        --only res-context resnet-vae --output runs/models

FOLDER holds photographs. Results are kept in --output, and what is there is not run again.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from rdbound.channels import GaussianChannel
from rdbound.images.crops import centre_crops, crops
from rdbound.images.sets import open_images
from rdbound.models import LatentModel, hyperprior, make_model
from rdbound.models.hyperprior import ResHyper
from rdbound.objective.complexity import cost
from rdbound.objective.datum import whole
from rdbound.objective.objective import objective
from rdbound.optimization.training_options import TrainingOptions, schedule
from rdbound.optimization.training_step import init, make_step
from rdbound.report.document import Table
from rdbound.report.markdown import block_lines
from rdbound.utils.atomic_files import read_json, write_json

LMBDA_RANGE = (0.0009, 0.0966)
JUDGED_AT = (0.0018, 0.0067, 0.025, 0.0932)
HELD_OUT = 24
CROP_JUDGED = 256
TIMED_STEPS = 12
MUON_RATE = 20.0  # of Muon's matrices, in learning rates of the rest


class RandomStart(ResHyper):
    """Res-hyper whose linear path starts at random instead of as a transform codec."""

    def _start_from_klt(self):
        pass


def _adam(options: TrainingOptions) -> optax.GradientTransformation:
    return optax.adam(schedule(options))


def _muon(options: TrainingOptions) -> optax.GradientTransformation:
    """Muon for the matrices, Adam for the rest."""
    rate = schedule(options)
    return optax.contrib.muon(lambda step: MUON_RATE * rate(step), adam_learning_rate=rate)


def _schedule_free(options: TrainingOptions) -> optax.GradientTransformation:
    warm = optax.linear_schedule(0.0, options.learning_rate, options.warmup)
    return optax.contrib.schedule_free_adamw(warm, warmup_steps=None, b1=0.9)


@dataclass(frozen=True)
class Choice:
    """How a run differs from the first: a group for the table, and what is changed.

    `model` names one of the package's instead of the Res-hyper of these widths and depths.
    """

    group: str
    options: dict = field(default_factory=dict)
    crop: int = 128
    batch: int = 8
    widths: tuple[int, int, int] = (112, 192, 384)
    depths: tuple[int, int, int] = (3, 4, 2)
    make: type[ResHyper] = ResHyper
    transform: Callable = _adam
    model: str = ""

    @property
    def program(self) -> tuple:
        """What the time of a step depends on."""
        return self.crop, self.batch, self.widths, self.depths, self.transform, self.model

    def untrained(self) -> LatentModel:
        """The model with fresh weights."""
        if self.model:
            return make_model(self.model, "bound", LMBDA_RANGE)
        size = hyperprior.Size(self.widths, self.depths, 384, 128)
        hyperprior.SIZES["recipe"] = size
        return self.make("recipe", "bound", LMBDA_RANGE)


FIRST = "first"
CHOICES = {
    FIRST: Choice("Adam, 5e-4, 8 × 128², average 0.999, balance 0.5"),
    "rate-2.5e-4": Choice("learning rate", {"learning_rate": 2.5e-4}),
    "rate-1e-3": Choice("learning rate", {"learning_rate": 1e-3}),
    "rate-2e-3": Choice("learning rate", {"learning_rate": 2e-3}),
    "muon": Choice("optimizer", transform=_muon),
    "schedule-free": Choice("optimizer", transform=_schedule_free),
    "2x256": Choice("equal pixels", crop=256, batch=2),
    "32x64": Choice("equal pixels", crop=64, batch=32),
    "4x128": Choice("batch", batch=4),
    "16x128": Choice("batch", batch=16),
    "average-0.99": Choice("average", {"ema": 0.99}),
    "average-0.9995": Choice("average", {"ema": 0.9995}),
    "balance-0": Choice("weight of rates", {"balance": 0.0}),
    "balance-1": Choice("weight of rates", {"balance": 1.0}),
    "wide": Choice("equal MAC", widths=(160, 272, 384), depths=(1, 2, 2)),
    "deep": Choice("equal MAC", widths=(80, 136, 384), depths=(6, 8, 2)),
    "more-at-16": Choice("equal MAC", widths=(80, 192, 384), depths=(2, 4, 5)),
    "random-start": Choice("start", make=RandomStart),
}
KINDS = {
    name: Choice("kind of model", {"learning_rate": 1e-3}, batch=4, model=model)
    for name, model in (
        ("res-hyper", "res-hyper-4"),
        ("res-context", "res-context-4"),
        ("resnet-vae", "resnet-vae-small"),
    )
}
ALL = CHOICES | KINDS


def seconds_a_step(choice: Choice, images) -> float:
    """The median over some steps, with weights that are thrown away."""
    step, carry, batches = _started(choice, images, TrainingOptions(batch=choice.batch))
    times = []
    for _ in range(1 + TIMED_STEPS):
        start = time.monotonic()
        carry, _ = step(carry, next(batches), jax.random.key(0))
        jax.block_until_ready(carry)
        times.append(time.monotonic() - start)
    return float(np.median(times[1:]))  # the first one compiles


def train(choice: Choice, images, steps: int) -> dict:
    """The averaged weights after so many steps."""
    options = TrainingOptions(batch=choice.batch, steps=steps, **choice.options)
    step, carry, batches = _started(choice, images, options)
    for _ in range(steps):
        carry, _ = step(carry, next(batches), jax.random.key(0))
    assert int(carry.failed_at) < 0, "the loss stopped being finite"
    if choice.transform is _schedule_free:
        return optax.contrib.schedule_free_eval_params(carry.opt_state[1], carry.params)
    return carry.ema


def _started(choice: Choice, images, options: TrainingOptions):
    graphdef, state = nnx.split(choice.untrained())
    transform = optax.chain(optax.clip_by_global_norm(options.clip), choice.transform(options))
    step, replicated, _ = make_step(graphdef, GaussianChannel(), options, transform=transform)
    carry = jax.device_put(init(nnx.to_pure_dict(state), options, transform), replicated)
    batches = crops(images, choice.crop, choice.batch, 0)
    for _ in range(8):  # the first batches decode their photographs
        next(batches)
    return step, carry, batches


def judge(graphdef: nnx.GraphDef, params: dict, held_out: np.ndarray) -> np.ndarray:
    """J of each photograph at each rate: [photographs, rates]."""
    keys = jax.random.split(jax.random.key(1), len(held_out))

    @jax.jit
    def J(params, x, key, lmbda):
        model = nnx.merge(graphdef, params)
        datum = whole(x.astype(jnp.float32) / 255.0)
        return objective(model, GaussianChannel(), datum, key, lmbda).J

    return np.array(
        [
            [J(params, x, key, jnp.float32(lmbda)) for lmbda in JUDGED_AT]
            for x, key in zip(held_out, keys, strict=True)
        ]
    )


def time_one(name: str, arguments) -> None:
    """Keep how long a step of a choice takes."""
    images = _photographs(arguments.folder)[0]
    write_json(_timing(arguments.output, name), {"seconds": seconds_a_step(ALL[name], images)})


def train_one(name: str, arguments) -> None:
    """Train, judge and keep one choice."""
    choice = ALL[name]
    images, held = _photographs(arguments.folder)
    each = read_json(_timing(arguments.output, _timed_by(name)), dict)["seconds"]
    steps = max(1, round(60.0 * arguments.minutes / each))
    params = train(choice, images, steps)
    model = choice.untrained()
    J = judge(nnx.split(model)[0], params, centre_crops(held, CROP_JUDGED))
    macs = cost(model)
    write_json(
        _result(arguments.output, name),
        {
            "minutes": arguments.minutes,
            "steps": steps,
            "seconds a step": each,
            "macs": macs.encoder + macs.decoder,
            "J": J.tolist(),
        },
    )


def _photographs(folder: str):
    images, held = open_images("folder", folder).without(HELD_OUT)
    return images.cached(4.0), held


def _timed_by(name: str) -> str:
    """The first choice whose step is the same program but for constants."""
    return next(n for n, c in ALL.items() if c.program == ALL[name].program)


def _timing(output: Path, name: str) -> Path:
    return output / "steps" / f"{name}.json"


def _result(output: Path, name: str) -> Path:
    return output / f"{name}.json"


def run_all(what: str, names: Sequence[str], arguments) -> None:
    """Every choice in a process of its own, one a core."""
    cores: SimpleQueue[int] = SimpleQueue()
    for core in sorted(os.sched_getaffinity(0)):
        cores.put(core)

    def run(name: str) -> None:
        core = cores.get()
        command = [
            sys.executable,
            __file__,
            arguments.folder,
            "--minutes",
            str(arguments.minutes),
            "--output",
            str(arguments.output),
            what,
            name,
        ]
        subprocess.run(command, check=True, preexec_fn=lambda: os.sched_setaffinity(0, [core]))
        cores.put(core)

    with ThreadPoolExecutor(cores.qsize()) as pool:
        list(pool.map(run, names))


def table(output: Path, against: str) -> Table:
    """Of all choices whose results are there, against one of them."""
    found = {
        name: read_json(_result(output, name), dict)
        for name in ALL
        if _result(output, name).exists()
    }
    base = np.log(np.asarray(found[against]["J"]))
    rows = []
    for name, result in found.items():
        J = np.asarray(result["J"])
        change = 100.0 * (np.log(J) - base).mean(1)
        error = change.std(ddof=1) / len(change) ** 0.5
        rows.append(
            (
                name,
                ALL[name].group,
                f"{result['macs'] / 1e3:.1f}",
                str(result["steps"]),
                f"{result['seconds a step']:.2f}",
                " ".join(f"{j:.3f}" for j in J.mean(0)),
                "" if name == against else f"{change.mean():+.2f} ± {error:.2f}",
            )
        )
    header = (
        "choice",
        "what is changed",
        "kMAC/pixel",
        "steps",
        "s a step",
        "J at λ = " + ", ".join(f"{lmbda:g}" for lmbda in JUDGED_AT),
        "J, %",
    )
    return Table(header, rows)


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="of photographs")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training steps a run")
    parser.add_argument("--only", nargs="+", choices=ALL, default=list(CHOICES))
    parser.add_argument("--against", choices=ALL, default=FIRST, help="run too")
    parser.add_argument("--output", type=Path, default=Path("runs/recipe"))
    for phase in ("--time-one", "--train-one"):  # what the processes of a core are given
        parser.add_argument(phase, choices=ALL, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.time_one:
        return time_one(arguments.time_one, arguments)
    if arguments.train_one:
        return train_one(arguments.train_one, arguments)
    output = arguments.output
    (output / "steps").mkdir(parents=True, exist_ok=True)
    asked = dict.fromkeys([arguments.against, *arguments.only])
    names = [name for name in asked if not _result(output, name).exists()]
    programs = dict.fromkeys(map(_timed_by, names))
    run_all("--time-one", [n for n in programs if not _timing(output, n).exists()], arguments)
    run_all("--train-one", names, arguments)
    print("\n".join(block_lines(table(output, arguments.against))))


if __name__ == "__main__":
    main()
