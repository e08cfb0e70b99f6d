"""How fast is it, as ratios to this machine's own peak, measured in one run.

    python experiments/benchmark.py [--model res-hyper-4] [--quick]

Useful FLOP are 2 per multiply–accumulate of the model's matrix products and
convolutions (counted from the traced program): once for a forward pass, three
times for a training step (forward, gradients of activations and of weights),
twice the decoder's for a refinement step (weights are frozen), decoder
forward included. Times are medians.
"""

import argparse
import resource
import time

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.channels import GaussianChannel, RoundingChannel, make_channel
from rdbound.checkpoints.checkpoint import load
from rdbound.coding import Codec
from rdbound.coding.codecs.compiled_model import compiled
from rdbound.coding.entropy.frequency_tables import TOTAL, gaussian_tables
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.images.crops import AHEAD, crops
from rdbound.images.sets import open_images
from rdbound.models import make_model
from rdbound.objective.complexity import cost
from rdbound.objective.datum import whole
from rdbound.objective.levels import latent_shapes
from rdbound.objective.objective import clip, objective
from rdbound.optimization.refinement import RefinementOptions, refine
from rdbound.optimization.training_options import TrainingOptions
from rdbound.optimization.training_step import init, make_step

HEIGHT, WIDTH = 512, 768
LMBDA = 0.0067


def median_seconds(run, repeats: int) -> float:
    """Median over ``repeats`` calls, after one that compiles."""
    jax.block_until_ready(run())
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(run())
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def peak_flops(repeats: int) -> float:
    """FLOP/s of a 4096 × 4096 float32 matrix product."""
    a = jax.random.normal(jax.random.key(0), (4096, 4096))
    product = jax.jit(lambda a: a @ a)
    return 2 * 4096**3 / median_seconds(lambda: product(a), repeats)


def photograph() -> np.ndarray:
    """512×768 pixels of texture and gradients, the same everywhere."""
    rng = np.random.default_rng(0)
    r, c = np.mgrid[:HEIGHT, :WIDTH]
    smooth = np.stack([127 + 90 * np.sin(r / k) * np.cos(c / (k + 9)) for k in (31, 53, 97)], -1)
    return (smooth + rng.normal(0, 6, smooth.shape)).clip(0, 255).astype(np.uint8)


def training(model, macs: float, repeats: int) -> tuple[float, float]:
    """(seconds, FLOP) of a step of 8 crops of 128×128."""
    graphdef, state = nnx.split(model)
    options = TrainingOptions(batch=8)
    step, replicated, split = make_step(graphdef, make_channel("gaussian"), options)
    batch = jax.device_put(np.full((8, 128, 128, 3), 100, np.uint8), split)
    carry = [jax.device_put(init(nnx.to_pure_dict(state), options), replicated)]

    def run():
        carry[0], metrics = step(carry[0], batch, jax.random.key(0))
        return metrics

    return median_seconds(run, repeats), 3 * 2 * macs * 8 * 128**2


def refinement(model, decoder_macs: float, steps: int) -> tuple[float, float]:
    """(seconds, FLOP) of a step at 512×768: a long solve less a short one."""
    image = jnp.asarray(photograph(), jnp.float32)[None] / 255.0
    data, lmbdas = jax.vmap(whole)(image), jnp.full(1, LMBDA)
    variational = jax.jit(jax.vmap(model.infer))(image, lmbdas)
    seconds = []
    for count in (2, 2 + steps):
        options = RefinementOptions(steps=count, check_every=count, check_samples=1)
        solve = refine(model, GaussianChannel(), GaussianChannel(), clip, options)
        keys = jax.random.split(jax.random.key(1), 1)
        run = lambda s=solve, k=keys: s(data, variational, lmbdas, k)  # noqa: E731
        seconds.append(median_seconds(run, 1))
    return (seconds[1] - seconds[0]) / steps, 2 * 2 * decoder_macs * HEIGHT * WIDTH


def evaluation(model, macs: float, repeats: int) -> tuple[float, float]:
    """(seconds, FLOP) of one forward pass at 512×768."""
    datum = whole(jnp.asarray(photograph(), jnp.float32) / 255.0)
    graphdef, params = nnx.split(model)
    run = jax.jit(
        lambda p: (
            objective(nnx.merge(graphdef, p), GaussianChannel(), datum, jax.random.key(0), LMBDA).J
        )
    )
    return median_seconds(lambda: run(params), repeats), 2 * macs * HEIGHT * WIDTH


def levels(model, repeats: int) -> list[tuple[float, float]]:
    """Seconds of each level's prior at 512×768, with the state and without.

    Without: what came before the level is absorbed anew, as a decoder without
    state would.
    """
    of, lmbda = compiled(model), jnp.float32(LMBDA)
    shapes = latent_shapes(model, (HEIGHT, WIDTH, 3))
    latents = [jnp.zeros(shape) for shape in shapes]

    def state_before(level: int):
        state = of.start(lmbda)
        for earlier in range(level):
            state = of.absorb(earlier, state, latents[earlier])
        return state

    states = [state_before(level) for level in range(len(shapes))]
    last = len(shapes) - 1
    return [
        (
            median_seconds(
                lambda k=k: (of.prior(k, states[k]), of.absorb(k, states[k], latents[k])), repeats
            ),
            median_seconds(lambda k=k: of.prior(k, state_before(k)), repeats),
        )
        for k in range(last + 1)
    ]


def crops_a_second(crop: int, batch: int, batches: int) -> float:
    """Of the input pipeline alone: photographs in memory, cut and stacked by its threads."""
    stream = crops(open_images("bundled").cached(1.0), crop, batch, 0)
    for _ in range(AHEAD):  # those that lay ready when nobody asked
        next(stream)
    start = time.perf_counter()
    for _ in range(batches):
        next(stream)
    return batch * batches / (time.perf_counter() - start)


def range_coder(count: int) -> dict[str, float]:
    """Million symbols a second each way, and bits a symbol above the ideal of the tables."""
    rng, tables = np.random.default_rng(0), gaussian_tables()
    groups = rng.integers(0, 32, count).astype(np.uint8)
    values = np.empty(count, np.int32)
    ideal = 0.0
    for index in range(32):
        place = np.flatnonzero(groups == index)
        inner = tables[index].frequencies[:-1] / tables[index].frequencies[:-1].sum()
        coded = rng.choice(len(inner), len(place), p=inner)
        values[place] = coded - tables[index].reach
        ideal -= np.log2(tables[index].frequencies[coded] / TOTAL).sum()
    start = time.perf_counter()
    writer = Writer()
    writer.symbols(values, groups, tables)
    data = writer.finish()
    middle = time.perf_counter()
    assert (Reader(data).symbols(groups, tables) == values).all()
    end = time.perf_counter()
    return {
        "encode": count / (middle - start) / 1e6,
        "decode": count / (end - middle) / 1e6,
        "above": (8 * len(data) - ideal) / count,
    }


def codec_seconds(repeats: int) -> tuple[float, float, float]:
    """(compress, decompress) seconds of 512×768, and bytes above the ideal in per cent."""
    checkpoint = load("res-hyper-4-codec")
    codec, image = Codec(checkpoint.model, checkpoint.tables), photograph()
    data = codec.encode(image, LMBDA).data
    compress = median_seconds(lambda: codec.encode(image, LMBDA).data, repeats)
    decompress = median_seconds(lambda: codec.decode(data).datum, repeats)
    datum = whole(jnp.asarray(image, jnp.float32) / 255.0)
    bits = objective(checkpoint.model, RoundingChannel(), datum, jax.random.key(0), LMBDA).bits
    return compress, decompress, 100 * (8 * len(data) / float(sum(bits)) - 1)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="res-hyper-4")
    parser.add_argument("--latent", type=int, help="channels of y; default: the size's own")
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    arguments = parser.parse_args()
    repeats = 3 if arguments.quick else 9
    width = {} if arguments.latent is None else {"latent": arguments.latent}
    model = make_model(arguments.model, "bound", (0.0009, 0.0966), **width)
    c = cost(model)
    macs = c.encoder + c.decoder
    peak = peak_flops(repeats)
    size = f"{c.encoder / 1e3:.1f} + {c.decoder / 1e3:.1f} kMAC per pixel"
    print(f"{jax.devices()}, {arguments.model}: {size}")
    print(f"{'what':34}{'time':>12}{'GFLOP/s':>10}{'of peak':>9}")
    print(f"{'float32 matrix product, 4096':34}{'':>12}{peak / 1e9:10.0f}{1:9.0%}")
    for name, (seconds, flop) in (
        ("training step, 8 × 128×128", training(model, macs, repeats)),
        ("refinement step, 512×768", refinement(model, c.decoder, 4 if arguments.quick else 12)),
        ("evaluation, 512×768", evaluation(model, macs, repeats)),
    ):
        rate = flop / seconds
        print(f"{name:34}{seconds * 1e3:10.0f}ms{rate / 1e9:10.0f}{rate / peak:9.0%}")
    pipeline = crops_a_second(256, 8, 100 if arguments.quick else 500)
    print(f"input pipeline, without a model: {pipeline:.0f} crops of 256×256 a second")
    coder = range_coder(200_000 if arguments.quick else 2_000_000)
    print(
        f"range coder: {coder['encode']:.1f} / {coder['decode']:.1f} million symbols/s encoded / "
        f"decoded, {coder['above']:.5f} bits a symbol above the tables' ideal"
    )
    compress, decompress, above = codec_seconds(repeats)
    print(
        f"codec, 512×768: compress {compress:.2f} s, decompress {decompress:.2f} s, "
        f"container {above:.2f} % above the ideal code length"
    )
    context = make_model("res-context-4", "codec", (0.0009, 0.0966))
    for level, (kept, anew) in enumerate(levels(context, repeats)):
        print(
            f"res-context-4, level {level}, prior and state at 512×768: {kept * 1e3:.1f} ms; "
            f"prior without a state: {anew * 1e3:.1f} ms"
        )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory: {memory:.2f} GiB")


if __name__ == "__main__":
    main()
