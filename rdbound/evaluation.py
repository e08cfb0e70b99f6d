"""A model × data → rows of the RD table."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.channels import Channel, GaussianChannel, RoundingChannel, SGAChannel
from rdbound.checkpoint import Checkpoint
from rdbound.coding import Codec
from rdbound.models.base import check_lmbda
from rdbound.objective import Terms, amortized, clip, eight_bit, objective
from rdbound.ops.quality import MS_SSIM_SMALLEST, ms_ssim, psnr
from rdbound.refinement import STATUS, Refined, RefinementOptions, refine
from rdbound.sources.base import Datum
from rdbound.sources.image_sets import ImageSet
from rdbound.sources.images import padded_shape, to_datum
from rdbound.tables.rd import Row

__all__ = ["EvaluationOptions", "evaluate", "evaluate_vectors", "lmbdas_of"]


@dataclass(frozen=True)
class EvaluationOptions:
    """How a model is evaluated.

    Attributes:
      lmbdas: the trade-offs; None for the single one of a fixed-rate model.
      samples: fresh noise samples of the bound.
      refine: None for amortized points only.
      batch: images of one shape refined at a time.
      sga: options of the annealed channel that refines codecs.
      seed: of all noise.
    """

    lmbdas: tuple[float, ...] | None
    samples: int = 8
    refine: RefinementOptions | None = None
    batch: int = 1
    sga: SGAChannel = field(default_factory=SGAChannel)
    seed: int = 0


Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how far, of how many)."""


def evaluate(
    checkpoint: Checkpoint,
    images: ImageSet,
    options: EvaluationOptions,
    streams: Path | None = None,
    known: Sequence[Row] = (),
    progress: Progress = lambda *_: None,
    warn: Callable[[str], None] = lambda _: None,
) -> Iterator[Row]:
    """Rows of one checkpoint on a set of images, every λ, as they are computed.

    A bound gives ``bound`` and, with refinement, ``bound-refined``; a codec
    ``codec-ideal`` and ``codec-coded`` and their refined twins. Coded rows are
    what the written bytes decode to; ``streams`` is a folder to keep them in.
    ``known`` are rows of an interrupted evaluation, which are not repeated.
    ``warn`` is told of images whose refinement failed. Raises ValueError for a
    λ outside the range of the weights.
    """
    lmbdas = lmbdas_of(checkpoint, options.lmbdas)
    bench = _Bench(checkpoint, options)
    kept = {row.key: row for row in known}
    groups = _by_shape(images, checkpoint.model.stride, options.batch)
    for lmbda in lmbdas:
        done = 0
        for indexes in groups:
            step = partial(progress, f"{checkpoint.name} λ={lmbda:g}")
            step(done, len(images))
            keys = bench.keys(images, indexes, lmbda)
            if all(key in kept for key in keys):
                yield from (kept[key] for key in keys)
            else:
                batch = _Batch(images, indexes, checkpoint.model.stride, lmbda, options.seed)
                for row in bench.rows(batch, streams, progress, warn):
                    if np.isfinite(row.J):
                        yield row
                    else:
                        warn(f"{row.dataset}/{row.image}, λ = {lmbda:g}: {row.method} left out, "
                             "J is not finite")  # fmt: skip
            done += len(indexes)
        progress(f"{checkpoint.name} λ={lmbda:g}", done, len(images))


def lmbdas_of(checkpoint: Checkpoint, lmbdas: Sequence[float] | None) -> tuple[float, ...]:
    """``lmbdas``, or the one λ of a fixed-rate checkpoint where None.

    Raises ValueError for a λ given twice or outside the range of the weights.
    """
    low, high = checkpoint.model.lmbda_range
    if lmbdas is None:
        if low < high:
            raise ValueError(f"{checkpoint.name} has a variable rate: give lmbdas")
        return (low,)
    if len(set(lmbdas)) < len(lmbdas):
        raise ValueError(f"lmbdas holds a value twice: {', '.join(f'{v:g}' for v in lmbdas)}")
    for lmbda in lmbdas:
        check_lmbda(lmbda, (low, high))
    return tuple(lmbdas)


def _by_shape(images: ImageSet, stride: int, limit: int) -> list[list[int]]:
    """Indexes in batches of at most ``limit`` images of one padded shape."""
    shapes: dict[tuple, list[int]] = {}
    for index in range(len(images)):
        shapes.setdefault(_padded(images[index], stride), []).append(index)
    return [
        group[start : start + limit]
        for group in shapes.values()
        for start in range(0, len(group), limit)
    ]


def _padded(image: np.ndarray, stride: int) -> tuple[int, int]:
    return padded_shape(image.shape[0], image.shape[1], stride)


class _Batch:
    """Images of one padded shape, at one λ, with their keys."""

    def __init__(self, images: ImageSet, indexes: Sequence[int], stride, lmbda, seed):
        self.dataset = images.name
        self.names = [images.names[i] for i in indexes]
        self.images = [images[i] for i in indexes]
        self.lmbda = float(lmbda)
        self.seed = seed
        data = [to_datum(image, stride) for image in self.images]
        self.data = jax.tree.map(lambda *leaves: jnp.stack(leaves), *data)
        self.lmbdas = jnp.full(len(indexes), lmbda, jnp.float32)
        key = jax.random.fold_in(jax.random.key(seed), np.float32(lmbda).view(np.uint32))
        keys = jnp.stack([jax.random.fold_in(key, i) for i in indexes])
        # Refinement and evaluation never see the same noise.
        self.refine_keys = jax.vmap(lambda k: jax.random.fold_in(k, 0))(keys)
        self.fresh_keys = jax.vmap(lambda k: jax.random.fold_in(k, 1))(keys)


class _Bench:
    """One checkpoint with its compiled functions."""

    def __init__(self, checkpoint: Checkpoint, options: EvaluationOptions):
        self.name = checkpoint.name
        self.model = checkpoint.model
        self.options = options
        self.bound = self.model.form == "bound"
        self.judge = GaussianChannel() if self.bound else RoundingChannel()
        self.decode = clip if self.bound else eight_bit
        self.samples = options.samples if self.bound else 1
        self.codec = None if self.bound else Codec(self.model, checkpoint.tables)
        graphdef, self.params = nnx.split(self.model)
        self._terms = jax.jit(jax.vmap(partial(_terms, graphdef, self), (None, 0, 0, 0, 0)))
        self._infer = jax.jit(jax.vmap(partial(_infer, graphdef, self.judge), (None, 0, 0, 0)))
        self._solvers: dict = {}

    def keys(self, images: ImageSet, indexes: Sequence[int], lmbda: float) -> list[tuple]:
        """The keys of the rows that a batch of images gives."""
        suffixes = [""] if self.options.refine is None else ["", "-refined"]
        kinds = ["bound{}"] if self.bound else ["codec{}-ideal", "codec{}-coded"]
        return [
            (images.name, images.names[i], self.name, float(lmbda), kind.format(suffix))
            for suffix in suffixes
            for i in indexes
            for kind in kinds
        ]

    def posteriors(self, batch: _Batch):
        """The amortized posteriors of a batch."""
        return self._infer(self.params, batch.data, batch.refine_keys, batch.lmbdas)

    def rows(self, batch: _Batch, streams, progress: Progress, warn) -> Iterator[Row]:
        """What the inference networks reach, then what refinement reaches."""
        yield from self._rows(batch, None, "", 0, streams)
        if self.options.refine is not None:
            yield from self._refined(batch, self.options.refine, streams, progress, warn)

    def _refined(
        self, batch: _Batch, refinement: RefinementOptions, streams, progress: Progress, warn
    ) -> Iterator[Row]:
        steps = refinement.steps
        what = f"refining {batch.names[0]} λ={batch.lmbda:.4g}"
        solve = self._solver(refinement, lambda step: progress(what, int(step), steps))
        result: Refined = solve(batch.data, self.posteriors(batch), batch.lmbdas, batch.refine_keys)
        for name, status in zip(batch.names, np.asarray(result.status), strict=True):
            if status:
                warn(f"{batch.dataset}/{name}, λ = {batch.lmbda:g}: {STATUS[status]}")
        yield from self._rows(batch, result.posteriors, "-refined", steps, streams)

    def _solver(self, refinement: RefinementOptions, progress):
        """The compiled refinement; the bar it reports to changes, the program does not."""
        self._solvers["progress"] = progress
        if "solve" not in self._solvers:
            channel = GaussianChannel() if self.bound else self.options.sga
            report = lambda step: self._solvers["progress"](step)  # noqa: E731
            self._solvers["solve"] = refine(
                self.model, channel, self.judge, self.decode, refinement, report
            )
        return self._solvers["solve"]

    def _rows(self, batch: _Batch, posteriors, suffix: str, steps: int, streams):
        """Rows of given posteriors, or of the model's own where None."""
        terms, quality = self._terms(
            self.params, batch.data, posteriors, batch.fresh_keys, batch.lmbdas
        )
        if self.codec is not None and posteriors is None:
            posteriors = self.posteriors(batch)
        for i, image in enumerate(batch.images):
            own = jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i], np.float64), terms)
            method = f"bound{suffix}" if self.bound else f"codec{suffix}-ideal"
            common = self._common(batch, i, steps)
            ssim = _ms_ssim_of(image, quality[i])
            yield _expectation(common, method, own, ssim, self.model.peak)
            if self.codec is not None:
                chosen = jax.tree.map(lambda leaf, i=i: leaf[i], posteriors)
                yield _coded(self.codec, common, image, chosen, f"codec{suffix}-coded", streams)

    def _common(self, batch: _Batch, i: int, steps: int) -> dict:
        height, width = batch.images[i].shape[:2]
        return {
            "dataset": batch.dataset,
            "image": batch.names[i],
            "model": self.name,
            "lmbda": batch.lmbda,
            "pixels": height * width,
            "steps": steps,
            "samples": self.samples,
            "seed": batch.seed,
        }


def _coded(codec: Codec, common: dict, image, posteriors, method: str, streams) -> Row:
    """The row of really written and re-read bytes."""
    data = codec.compress(image, common["lmbda"], posteriors)
    decoded = codec.decompress(data)
    if streams is not None:
        file = streams / common["model"] / f"{common['image']}_{common['lmbda']:g}_{method}.rdb"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    error = image.astype(np.float64) - decoded
    mse = float(np.mean(error**2))
    bpp = 8 * len(data) / common["pixels"]
    return Row(
        **common,
        method=method,
        bits=8.0 * len(data),
        bytes=len(data),
        bpp=bpp,
        mse=mse,
        psnr=psnr(mse),
        ms_ssim=_ms_ssim_of(image, decoded[None].astype(np.float32) / 255.0),
        J=bpp + common["lmbda"] * mse,
        J_se=None,
    )


def _infer(graphdef, channel, params, datum, key, lmbda):
    # Full precision, so that a codec rounds here as it will when it writes.
    with jax.default_matmul_precision("highest"):
        return amortized(nnx.merge(graphdef, params), channel, datum, key, lmbda)


def _terms(graphdef, bench: _Bench, params, datum: Datum, posteriors, key, lmbda):
    """(Terms without the reconstruction, [samples]; reconstructions [samples, H, W, 3]).

    Where ``posteriors`` is None they are the model's own, inferred anew for each
    sample: a hierarchical inference sees that sample's upper latents.
    """
    model = nnx.merge(graphdef, params)

    def sample(key) -> Terms:
        return objective(model, bench.judge, datum, key, lmbda, posteriors, bench.decode)

    with jax.default_matmul_precision("highest"):
        terms = jax.lax.map(sample, jax.random.split(key, bench.samples))
    return terms._replace(x_hat=()), terms.x_hat


def _expectation(common: dict, method: str, terms: Terms, ssim, peak: float) -> Row:
    """The row of means over samples, with the standard error of J."""
    bpp, mse, samples = float(terms.bpp.mean()), float(terms.mse.mean()), len(terms.J)
    spread = float(terms.J.std(ddof=1)) / samples**0.5 if samples > 1 else None
    return Row(
        **common,
        method=method,
        bits=bpp * common["pixels"],
        bytes=None,
        bpp=bpp,
        mse=mse,
        psnr=psnr(mse, peak),
        ms_ssim=ssim,
        J=bpp + common["lmbda"] * mse,
        J_se=spread,
    )


def _ms_ssim_of(image: np.ndarray, reconstructions) -> float | None:
    """Mean MS-SSIM of reconstructions [samples, H, W, 3]; None for images too small for it."""
    h, w = image.shape[:2]
    if min(h, w) < MS_SSIM_SMALLEST:
        return None
    x = jnp.asarray(image, jnp.float32) / 255.0
    return float(np.mean([ms_ssim(x, y[:h, :w]) for y in reconstructions]))


def evaluate_vectors(
    checkpoint: Checkpoint,
    name: str,
    vectors,
    options: EvaluationOptions,
    channel: Channel | None = None,
) -> list[Row]:
    """Rows of one checkpoint on a sample of a vector source, [count, n]: means over it.

    Rates are per dimension; ``J_se`` is the standard error over the vectors.
    ``channel`` defaults to the Gaussian one for a bound, to rounding for a codec.
    """
    model = checkpoint.model
    bound = model.form == "bound"
    if channel is None:
        channel = GaussianChannel() if bound else RoundingChannel()
    graphdef, params = nnx.split(model)
    keys = jax.random.split(jax.random.key(options.seed), len(vectors))

    def terms_of(params, x, key, lmbda):
        datum = Datum(x, jnp.ones(x.shape))
        return objective(nnx.merge(graphdef, params), channel, datum, key, lmbda)

    run = jax.jit(jax.vmap(terms_of, (None, 0, 0, None)))
    rows = []
    for lmbda in lmbdas_of(checkpoint, options.lmbdas):
        terms = run(params, jnp.asarray(vectors), keys, jnp.float32(lmbda))
        terms = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), terms)
        common = {
            "dataset": name,
            "image": "sample",
            "model": checkpoint.name,
            "lmbda": float(lmbda),
            "pixels": vectors.shape[1],
            "steps": 0,
            "samples": 1,
            "seed": options.seed,
        }
        method = "bound" if bound else "codec-ideal"
        rows.append(_expectation(common, method, terms, None, model.peak))
    return rows
