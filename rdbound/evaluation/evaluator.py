"""One model on its examples: compiled functions, and the rows of each method.

Evaluation is a loop over this class (:mod:`rdbound.evaluation.evaluate`). Noise is keyed by
(seed, λ, example, purpose): a row does not depend on what else is in the batch or the
table, and refinement never sees the noise it is reported with.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.checkpoints.checkpoint import Checkpoint
from rdbound.coding import Codec
from rdbound.coding.codecs.base import DatumKind
from rdbound.coding.codecs.codec import datum_kind
from rdbound.coding.codecs.tiling import is_large
from rdbound.coding.coders.vbq.coder import vbq_channel
from rdbound.evaluation.examples import Batch, Examples, ImageExamples, VectorExamples
from rdbound.evaluation.monte_carlo import Judged, OverData, infer, ms_ssim_of, standard_error
from rdbound.evaluation.options import EvaluationOptions, chosen_methods
from rdbound.methods import METHODS, Method, methods_of
from rdbound.models.base import LevelModel, VariationalParameters, is_framed, is_lossless
from rdbound.objective.datum import Datum, in_frame, resized
from rdbound.objective.distortion import SquaredError
from rdbound.objective.objective import DECODERS
from rdbound.ops.banded_gaussian import couple
from rdbound.ops.image_quality import psnr
from rdbound.optimization.refinement import STATUS, Refined, RefinementOptions, refine
from rdbound.tables.rd import Row
from rdbound.utils.compilation import divided, run

__all__ = ["Bench", "Progress"]

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how far, of how many)."""


@dataclass(frozen=True)
class _Keyed:
    """A batch at one λ, its data as programs take them, and its keys [examples, members]."""

    batch: Batch
    data: Datum
    lmbda: float
    seed: int

    def keys(self, purpose: int) -> jax.Array:
        """Keys of one purpose: 0 refinement, 1 evaluation; they share no noise."""
        key = jax.random.fold_in(jax.random.key(self.seed), np.float32(self.lmbda).view(np.uint32))

        def of_example(name):
            # By its name, not its place: one more file in a folder changes no other's row.
            named = jax.random.fold_in(key, np.uint32(zlib.crc32(name.encode())))
            own = jax.random.fold_in(named, purpose)
            return (
                own[None] if self.batch.members == 1 else jax.random.split(own, self.batch.members)
            )

        return jnp.stack([of_example(name) for name in self.batch.names])

    @property
    def lmbdas(self) -> jax.Array:
        """λ for each datum."""
        return jnp.full(self.batch.data.x.shape[:2], self.lmbda, jnp.float32)


def _coupled(variational: VariationalParameters) -> VariationalParameters:
    """Variational parameters of every level as coupled posteriors, over the axes [examples,
    members].
    """
    return tuple(jax.vmap(jax.vmap(couple))(level) for level in variational)


def _with_code_points(options: EvaluationOptions, checkpoint: Checkpoint) -> EvaluationOptions:
    """The options with the channel ``vbq`` of the checkpoint, where none is given."""
    channels = {"vbq": vbq_channel(checkpoint.tables or {})} | dict(options.channels)
    return replace(options, channels=channels)


class Bench:
    """One checkpoint with its compiled functions.

    What two methods share is done once: the inference, the refinement through one channel,
    the program of one judge and last step, the codec of one coder.

    Args:
      checkpoint: the model, its tables and its distortion.
      examples: what it is evaluated on.
      options: how.

    Raises ValueError for an unknown method, a lossless model, and images too small for the
    distortion.
    """

    def __init__(self, checkpoint: Checkpoint, examples: Examples, options: EvaluationOptions):
        self.name, self.model = checkpoint.name, checkpoint.model
        if is_lossless(self.model):
            raise ValueError(
                f"{self.name}: a lossless model has no distortion; its J at λ = 1 is "
                "the length of what rdbound compress writes"
            )
        self.distortion = checkpoint.distortion
        self.examples, self.options = examples, _with_code_points(options, checkpoint)
        self.vectors = isinstance(examples, VectorExamples)
        self.peak = 1.0 if self.vectors else 255.0
        self.methods = chosen_methods(self.model.form, options, self.vectors)
        coders = {m.coder for m in self.methods if m.coder is not None}
        self.codecs = {
            # The data are the user's own: no limit on them.
            coder: Codec(self.model, checkpoint.tables, coder, max_pixels=None)
            for coder in coders
        }
        self._check_sides()
        self._framed = is_framed(self.model) and not self.vectors
        self._graphdef, self.params = nnx.split(self.model)
        self._solvers: dict[str, Callable] = {}
        self.room: dict[tuple[int, ...], int] = {}  # of the examples of a task, how many fit
        self._report: Callable[[int], None] = lambda step: None

    def _check_sides(self) -> None:
        """Raise ValueError for an image that the distortion is not defined of."""
        least = getattr(self.distortion, "smallest_side", 1)
        if least == 1 or not isinstance(self.examples, ImageExamples):
            return
        for name, (height, width) in zip(self.examples.names, self.examples.sizes, strict=True):
            if min(height, width) < least:
                raise ValueError(
                    f"{name} is {width}×{height}; the distortion of {self.name} needs {least} "
                    "pixels a side"
                )

    def keys(self, indexes: Sequence[int], lmbda: float) -> list[tuple]:
        """The keys of the rows that a batch of examples gives."""
        return [
            (self.examples.name, self.examples.names[i], self.name, float(lmbda), method.name)
            for method in self.methods
            for i in indexes
        ]

    def rows(
        self,
        indexes: Sequence[int],
        lmbda: float,
        streams: Path | None,
        progress: Progress,
        warn: Callable[[str], None],
    ) -> Iterator[Row]:
        """Every method's rows of one batch; methods of one refinement share it.

        Args:
          indexes: of the examples, of one padded shape.
          lmbda: the trade-off.
          streams: a folder for the bytes of coded rows; None keeps none.
          progress: see :data:`Progress`.
          warn: told of examples whose refinement failed.

        J of a row of means is bpp + λ·D of its means, its error over the members of
        the example where it has several, else over samples. A coded row's is that
        of the bytes and of what they decode to. Raises ValueError where a channel does
        not serve the model's posteriors or priors, or a latent cannot be coded.
        """
        batch = self._divided(self.examples.batch(indexes, self.model.stride))
        of = _Keyed(batch, self._in_frame(batch), float(lmbda), self.options.seed)
        amortized = self._inferred(of)
        for through, posterior in dict.fromkeys((m.surrogate, m.posterior) for m in self.methods):
            variational = amortized
            if through is not None:
                # Of all methods, so that no row depends on which others were chosen.
                applicable = methods_of(self.model.form, True, self.vectors, METHODS)
                judge = next(m for m in applicable if m.surrogate == through)
                start = resized(amortized, of.data, of.batch.data)
                if posterior == "coupled":
                    start = _coupled(start)
                found = self._refined(of, judge, start, progress, warn)
                variational = resized(found, of.batch.data, of.data)
            for method in self.methods:
                if (method.surrogate, method.posterior) == (through, posterior):
                    yield from self._method_rows(method, of, variational, streams)

    def _divided(self, batch: Batch) -> Batch:
        """Over all devices, but for large images, which are computed a window at a time."""
        if not self.vectors and is_large(*batch.data.x.shape[2:4]):
            return batch
        return replace(batch, data=divided(batch.data))

    def _in_frame(self, batch: Batch) -> Datum:
        """The data, images that are not large in the frame they share with others of their size.

        There is one program for all sizes of a frame. A refinement takes long beside the
        compilation of its own: it works on arrays of the images' size.
        """
        if not self._framed or is_large(*batch.data.x.shape[2:4]):
            return batch.data
        return in_frame(batch.data, self.model.stride)

    def _inferred(self, of: _Keyed) -> VariationalParameters:
        """What the inference networks say, [examples, members, …]."""
        large = self._large_sides(of)
        if large is None:
            inference = OverData(self._graphdef, infer, self._framed)
            return run(inference, self.params, of.data, of.lmbdas)
        found = [large.infer(x[0], jnp.float32(of.lmbda)) for x in of.batch.data.x]
        return jax.tree.map(lambda *leaves: np.stack(leaves)[:, None], *found)

    def _large_sides(self, of: _Keyed) -> LevelModel | None:
        """The sides by windows, where the examples are large images; else None."""
        height, width = of.batch.data.x.shape[2:4] if not self.vectors else (0, 0)
        return self._kind.level_model(height, width) if is_large(height, width) else None

    @cached_property
    def _kind(self) -> DatumKind:
        """The compiled model for images of any size."""
        return datum_kind(self.model)

    def _method_rows(
        self, method: Method, of: _Keyed, variational: VariationalParameters, streams: Path | None
    ) -> Iterator[Row]:
        if method.coder is None:
            yield from self._expected(method, of, variational)
            return
        cropped = resized(variational, of.data, of.batch.data)
        for place in range(len(of.batch.indexes)):
            # An image is one datum; a block of vectors is coded as one.
            own = jax.tree.map(
                lambda leaf, p=place: leaf[p] if self.vectors else leaf[p, 0], cropped
            )
            yield self._coded(method, of, place, own, streams)

    def _refined(
        self,
        of: _Keyed,
        method: Method,
        start: VariationalParameters,
        progress: Progress,
        warn: Callable[[str], None],
    ) -> VariationalParameters:
        """Refine the variational parameters of a batch through ``method``'s surrogate channel."""
        options = self.options.refine
        assert options is not None
        what = f"refining {of.batch.names[0]} λ={of.lmbda:.4g}"
        self._report = lambda step: progress(what, int(step), options.steps)
        solve = self._solver(method, options)
        flat = lambda tree: jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), tree)  # noqa: E731
        result: Refined = solve(flat(of.batch.data), flat(start), flat(of.lmbdas), flat(of.keys(0)))
        statuses = np.asarray(result.status).reshape(len(of.batch.names), -1)
        for name, found in zip(of.batch.names, statuses, strict=True):
            self._tell(warn, f"{self.examples.name}/{name}, λ = {of.lmbda:g}", found)
        shape = of.batch.data.x.shape[:2]
        return jax.tree.map(lambda a: a.reshape(*shape, *a.shape[1:]), result.variational)

    def _tell(self, warn: Callable[[str], None], where: str, statuses: np.ndarray) -> None:
        """Of an image, whatever did not improve; of a block only what stopped being finite."""
        worst = int(statuses.max())
        if worst and (worst > 1 or not self.vectors):
            warn(f"{where}: {STATUS[worst]}")

    def _solver(self, method: Method, options: RefinementOptions) -> Callable:
        """The compiled refinement; the bar it reports to changes, the program does not."""
        assert method.surrogate is not None
        assert method.channel is not None
        if method.surrogate not in self._solvers:
            self._solvers[method.surrogate] = refine(
                self.model,
                self.options.channel(method.surrogate),
                self.options.channel(method.channel),
                self._decoder(method),
                options,
                self.distortion,
                progress=lambda step: self._report(step),
            )
        return self._solvers[method.surrogate]

    def _decoder(self, method: Method) -> Callable[[jax.Array], jax.Array]:
        """The decoder's last step; vectors are left as they are."""
        return DECODERS["real" if self.vectors else method.decode]

    def _expected(
        self, method: Method, of: _Keyed, variational: VariationalParameters
    ) -> Iterator[Row]:
        """Rows of means over fresh samples, and over the members of an example."""
        assert method.channel is not None
        samples = self.options.samples if self.options.channel(method.channel).random else 1
        terms, similar = self._judged(method, samples, of, variational)
        for place in range(len(of.batch.indexes)):
            mean = {name: float(value[place].mean()) for name, value in terms.items()}
            common = self._common(method, of, place, samples)
            yield Row(
                **common,
                bits=mean["bpp"] * common["pixels"],
                bytes=None,
                bpp=mean["bpp"],
                mse=mean["mse"],
                psnr=psnr(mean["mse"], self.peak),
                ms_ssim=similar[place],
                J=mean["bpp"] + of.lmbda * mean["distortion"],
                J_se=standard_error(terms["J"][place]),
            )

    def _judged(
        self, method: Method, samples: int, of: _Keyed, variational: VariationalParameters
    ) -> tuple[dict[str, np.ndarray], list[float | None]]:
        """(terms, float64 [examples, members, samples]; the mean MS-SSIM of each example)."""
        assert method.channel is not None
        judged = Judged(
            self.options.channel(method.channel),
            self._decoder(method),
            samples,
            self.distortion,
            not self.vectors,
        )
        large = self._large_sides(of)
        if large is not None:
            return self._judged_large(judged, large, of, variational)
        one = OverData(self._graphdef, judged, self._framed)
        terms, x_hat = run(one, self.params, of.data, variational, of.keys(1), of.lmbdas)
        for place, original in enumerate(of.batch.originals):
            if self._is_shown(method, of, place):
                decoded = np.asarray(x_hat[place, 0, 0])[: original.shape[0], : original.shape[1]]
                self._show(method, of, place, np.rint(255 * decoded.clip(0, 1)).astype(np.uint8))
        similar = [
            None if self.vectors else ms_ssim_of(original, x_hat[place, 0])
            for place, original in enumerate(of.batch.originals)
        ]
        return {name: np.asarray(value, np.float64) for name, value in terms.items()}, similar

    def _judged_large(
        self, judged: Judged, sides: LevelModel, of: _Keyed, variational: VariationalParameters
    ) -> tuple[dict[str, np.ndarray], list[float | None]]:
        """The same of large images, of which one reconstruction is held at a time."""
        terms, similar = [], []
        for place, original in enumerate(of.batch.originals):
            one = lambda tree, p=place: jax.tree.map(lambda leaf: leaf[p, 0], tree)  # noqa: E731
            samples = judged.one_by_one(
                sides,
                one(of.batch.data),
                one(variational),
                of.keys(1)[place, 0],
                jnp.float32(of.lmbda),
            )
            found = [(values, ms_ssim_of(original, x_hat[None])) for values, x_hat in samples]
            terms.append([values for values, _ in found])
            known = [ssim for _, ssim in found if ssim is not None]
            similar.append(float(np.mean(known)) if known else None)
        names = terms[0][0]
        arrays = {n: np.array([[float(v[n]) for v in image] for image in terms]) for n in names}
        return {name: value[:, None] for name, value in arrays.items()}, similar

    def _coded(
        self,
        method: Method,
        of: _Keyed,
        place: int,
        variational: VariationalParameters,
        streams: Path | None,
    ) -> Row:
        """The row of really written and re-read bytes."""
        assert method.coder is not None
        codec, original = self.codecs[method.coder], of.batch.originals[place]
        encoded = codec.encode(original, of.lmbda, variational)
        data = encoded.data
        decoded = codec.decode(data).datum
        common = self._common(method, of, place, 1)
        if streams is not None:
            file = streams / self.name / f"{common['image']}_{of.lmbda:g}_{method.name}.rdb"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        if self._is_shown(method, of, place):
            self._show(method, of, place, decoded)
        mse = float(np.mean((original.astype(np.float64) - decoded) ** 2))
        count = len(data) - encoded.side_bytes
        bpp = 8 * count / common["pixels"]
        scaled = decoded if self.vectors else decoded.astype(np.float32) / 255.0
        return Row(
            **common,
            bits=8.0 * count,
            bytes=count,
            bpp=bpp,
            mse=mse,
            psnr=psnr(mse, self.peak),
            ms_ssim=None if self.vectors else ms_ssim_of(original, scaled[None]),
            J=bpp + of.lmbda * self._distortion_of(of, place, scaled, mse),
            J_se=None,
        )

    def _is_shown(self, method: Method, of: _Keyed, place: int) -> bool:
        """Whether the reconstruction is one of those that are kept to be looked at."""
        pictures, image = self.options.pictures, of.batch.names[place]
        if pictures is None or self.vectors:
            return False
        return pictures.wants(method, self.methods, image, of.lmbda)

    def _show(self, method: Method, of: _Keyed, place: int, decoded: np.ndarray) -> None:
        """Keep a reconstruction, uint8 [H, W, 3]."""
        assert self.options.pictures is not None
        original, image = of.batch.originals[place], of.batch.names[place]
        self.options.pictures.keep(self.name, method.name, image, of.lmbda, original, decoded)

    def _distortion_of(self, of: _Keyed, place: int, decoded: np.ndarray, mse: float) -> float:
        """D of a decoded example; the mean squared error is known in float64 already."""
        if self.distortion == SquaredError():
            return mse
        datum = jax.tree.map(lambda leaf: leaf[place], of.batch.data)
        if self.vectors:
            return float(jax.vmap(self.distortion)(datum, jnp.asarray(decoded)).mean())
        one = jax.tree.map(lambda leaf: leaf[0], datum)
        extra = [(0, a - b) for a, b in zip(one.x.shape, decoded.shape, strict=True)]
        return float(self.distortion(one, jnp.pad(jnp.asarray(decoded), extra, mode="edge")))

    def _common(self, method: Method, of: _Keyed, place: int, samples: int) -> dict[str, Any]:
        refinement = None if method.surrogate is None else self.options.refine
        return {
            "dataset": self.examples.name,
            "image": of.batch.names[place],
            "model": self.name,
            "lmbda": of.lmbda,
            "method": method.name,
            "pixels": of.batch.pixels(place),
            "steps": 0 if refinement is None else refinement.steps,
            "samples": samples,
            "seed": of.seed,
        }
