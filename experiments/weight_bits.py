"""How finely must each kernel of a model be told, for the smallest file at a given loss of J?

Noise of a kernel's weights costs J in proportion to its variance: how much, kernel by kernel,
is measured on photographs by adding a good deal of it to one at a time. With S the cost of
noise as large as the weights themselves and n their number, bits are spent best where

    S/(n·fineness²) is the same for all kernels,

fineness being the quantizer's steps in a channel's root mean square (reverse water-filling, with
high-rate quantizers in place of R(D)). That common level is what is chosen.

    python experiments/weight_bits.py CHECKPOINT IMAGES OUTPUT.safetensors [--level 3e-8]

CHECKPOINT is a model of images in float32 or float16; nothing of IMAGES should be what the
result is judged by later. Costs are kept beside OUTPUT and read again; a codec is judged through
the channel ``mixed``, as it is trained.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.channels import make_channel
from rdbound.checkpoints.checkpoint import Checkpoint, load, save_checkpoint
from rdbound.checkpoints.weight_storage import encoded_weights
from rdbound.coding.codecs.fingerprint import flat_weights
from rdbound.images.crops import centre_crops
from rdbound.images.sets import open_images
from rdbound.models.base import precise_parts
from rdbound.objective.datum import whole
from rdbound.objective.objective import objective

CROP = 128
NOISE = 1.0 / 3.0  # of a uniform step over a channel's root mean square, while costs are measured
FINEST, COARSEST = 256.0, 4.0


class Cost(NamedTuple):
    """Per cent of J for noise of a step as wide as the root mean square: mean, error, numbers."""

    value: float
    error: float
    count: int


def judge_of(checkpoint: Checkpoint, images: Path, count: int) -> Callable[..., np.ndarray]:
    """Weights by name → J of crops at as many λ, always with the same noise."""
    model = checkpoint.model
    crops = centre_crops(open_images("folder", str(images)).without(count)[1], CROP)
    x = jnp.asarray(crops / 255.0, jnp.float32)
    low, high = model.lmbda_range
    lmbdas = jnp.asarray(np.geomspace(1.3 * low, high / 1.2, count), jnp.float32)
    channel = make_channel("gaussian" if model.form == "bound" else "mixed")
    graphdef, state = nnx.split(model)
    paths = {".".join(map(str, path)): path for path, _ in nnx.to_flat_state(state)}

    @jax.jit
    def J(weights):
        flat = [(paths[name], nnx.Param(value)) for name, value in weights.items()]
        of = nnx.merge(graphdef, nnx.from_flat_state(flat))
        one = lambda a: objective(of, channel, whole(a[0]), a[2], a[1]).J  # noqa: E731
        return jax.lax.map(one, (x, lmbdas, jax.random.split(jax.random.key(0), count)))

    return lambda weights: np.asarray(J({k: jnp.asarray(v) for k, v in weights.items()}))


def change(J: np.ndarray, before: np.ndarray) -> tuple[float, float]:
    """(mean, standard error) of the change of J in per cent."""
    found = 100.0 * np.log(J / before)
    return float(found.mean()), float(found.std(ddof=1) / len(found) ** 0.5)


def costs(weights: dict, kernels: list[str], judge: Callable[..., np.ndarray]) -> dict[str, Cost]:
    """Of every kernel, one at a time."""
    rng, before, found = np.random.default_rng(0), judge(weights), {}
    for name in kernels:
        value = weights[name]
        spread = np.sqrt((value**2).mean(tuple(range(value.ndim - 1))))
        noise = NOISE * spread * (rng.random(value.shape) - 0.5)
        moved = judge(weights | {name: (value + noise).astype(np.float32)})
        mean, error = change(moved, before)
        found[name] = Cost(mean / NOISE**2, error / NOISE**2, value.size)
        print(f"{name}: {found[name].value:.3f} ± {found[name].error:.3f} %", flush=True)
    return found


def fineness_of(known: dict[str, Cost], level: float) -> dict[str, float]:
    """Steps in a root mean square by kernel; a cost that is lost in its error counts as a third."""
    return {
        name: float(
            np.clip(np.sqrt(max(c.value, 0.3 * c.error) / c.count / level), COARSEST, FINEST)
        )
        for name, c in known.items()
    }


def main() -> None:
    """Measure, allocate, write, and judge what was written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("images", type=Path, help="folder of photographs")
    parser.add_argument("output", type=Path)
    parser.add_argument("--level", type=float, default=3e-8, help="per cent of J a weight")
    parser.add_argument("--costs", type=Path, help="of another model of the same architecture")
    parser.add_argument("--count", type=int, default=24, help="of crops and of λ")
    arguments = parser.parse_args()
    checkpoint = load(arguments.checkpoint)
    judge = judge_of(checkpoint, arguments.images, arguments.count)
    weights = {k: np.asarray(v, np.float32) for k, v in flat_weights(checkpoint.model).items()}
    coded = encoded_weights(weights, "coded", precise_parts(checkpoint.model))
    kernels = [name for name in weights if coded[name].dtype == np.uint8]
    file = arguments.costs or arguments.output.with_suffix(".costs.json")
    if not file.is_file():
        file.write_text(json.dumps(costs(weights, kernels, judge)))
    known = {name: Cost(*cost) for name, cost in json.loads(file.read_text()).items()}
    fineness = fineness_of(known, arguments.level)
    save_checkpoint(arguments.output, checkpoint.model, checkpoint.spec, "coded", fineness)
    after = {k: np.asarray(v) for k, v in flat_weights(load(str(arguments.output)).model).items()}
    mean, error = change(judge(after), judge(weights))
    expected = sum(max(c.value, 0.0) / fineness[name] ** 2 for name, c in known.items())
    print(
        f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.2f} MB, J {mean:+.3f} ± "
        f"{error:.3f} % (expected {expected:+.3f})"
    )


if __name__ == "__main__":
    main()
