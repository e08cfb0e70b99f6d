"""The rows of one batch of examples: refinement, rows of expectations, coded rows."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rdbound.evaluation.evaluator import EVALUATION, REFINEMENT, Evaluator, KeyedBatch
from rdbound.evaluation.monte_carlo import OverData, SampledObjective, infer, standard_error
from rdbound.evaluation.options import evaluation_channel
from rdbound.evaluation.plan import Group
from rdbound.methods import Method
from rdbound.models.base import VariationalParameters
from rdbound.objective.datum import resized
from rdbound.objective.distortion import SquaredError
from rdbound.ops.banded_gaussian import couple
from rdbound.ops.image_quality import psnr
from rdbound.optimization.refinement import STATUS
from rdbound.tables.rd import Row
from rdbound.utils.compilation import run
from rdbound.utils.progress import LOG

__all__ = ["amortized", "batch_rows", "coded_rows", "expected_rows", "refined"]


def batch_rows(evaluator: Evaluator, indexes: Sequence[int], lmbda: float) -> Iterator[Row]:
    """Yield every method's rows of one batch.

    Args:
      evaluator: the model and its methods.
      indexes: places of the examples, which have one padded shape.
      lmbda: the trade-off.

    Raises:
      ValueError: A channel does not serve the model's posteriors or priors, or a latent cannot be
        coded.
    """
    keyed = evaluator.keyed(indexes, lmbda)
    start = amortized(evaluator, keyed)
    groups = evaluator.plan.groups
    refinements = [group for group in groups if group.surrogate is not None]
    part, before = evaluator.progress, evaluator.progress.done
    for group in groups:
        variational = start
        if group.surrogate is not None:
            part.size = len(indexes) / len(refinements)
            part.done = before + part.size * refinements.index(group)
            part.note = f"{part.task}: refining {keyed.batch.names[0]} λ={keyed.lmbda:.4g}"
            variational = refined(evaluator, group, keyed, start)
        for method in group.methods:
            rows_of = expected_rows if method.coder is None else coded_rows
            yield from rows_of(evaluator, method, keyed, variational)
    part.done = before + len(indexes)


def amortized(evaluator: Evaluator, keyed: KeyedBatch) -> VariationalParameters:
    """Return the amortized variational parameters, [examples, members, …], of ``keyed.data``."""
    if keyed.large:
        model, lmbda = evaluator.by_windows(keyed), jnp.float32(keyed.lmbda)
        found = [model.infer(x[0], lmbda) for x in keyed.batch.data.x]
        return jax.tree.map(lambda *leaves: np.stack(leaves)[:, None], *found)
    inference = OverData(evaluator.graphdef, infer, keyed.framed)
    return run(inference, evaluator.params, keyed.data, keyed.lmbdas)


def refined(
    evaluator: Evaluator, group: Group, keyed: KeyedBatch, start: VariationalParameters
) -> VariationalParameters:
    """Return the variational parameters of a batch, refined for a group of methods.

    Examples whose refinement failed are logged as warnings; theirs are the best found.

    Args:
      evaluator: the model.
      group: the surrogate channel, the family of posteriors, the evaluation channel.
      keyed: the batch.
      start: the amortized variational parameters.
    """
    # Refinement takes long beside the compilation of its own: it works on the images' own size.
    start = resized(start, keyed.data, keyed.batch.data)
    if group.posterior == "coupled":
        start = tuple(jax.vmap(jax.vmap(couple))(level) for level in start)
    solve, examples = evaluator.solver(group), evaluator.plan.examples
    arguments = (keyed.batch.data, start, keyed.lmbdas, keyed.keys(REFINEMENT))
    result = solve(*jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), arguments))
    shape = keyed.batch.data.x.shape[:2]
    worst = np.asarray(result.status).reshape(shape).max(1)
    for name, status in zip(keyed.batch.names, worst, strict=True):
        if status >= examples.warns_from:
            where = f"{examples.name}/{name}, λ = {keyed.lmbda:g}"
            LOG.warning("%s: %s", where, STATUS[int(status)])
    found = jax.tree.map(lambda a: a.reshape(*shape, *a.shape[1:]), result.variational)
    return resized(found, keyed.batch.data, keyed.data)


def expected_rows(
    evaluator: Evaluator, method: Method, keyed: KeyedBatch, variational: VariationalParameters
) -> Iterator[Row]:
    """Yield rows of means over fresh samples of a channel, and over the members of an example.

    J is bpp + λ·D of the means; its standard error is over the members if there are
    several, else over samples.

    Args:
      evaluator: the model.
      method: a method without a coder.
      keyed: the batch.
      variational: variational parameters of ``keyed.data``, [examples, members, …].
    """
    examples, checkpoint = evaluator.plan.examples, evaluator.plan.checkpoint
    channel = evaluation_channel(method, checkpoint)
    samples = evaluator.plan.options.samples if channel.random else 1
    sampled = SampledObjective(
        channel,
        examples.decoder(method.decode),
        samples,
        evaluator.distortion,
        not examples.vectors,
    )
    estimate = _estimated_by_windows if keyed.large else _estimated
    terms, similar = estimate(evaluator, method, sampled, keyed, variational)
    for place in range(len(keyed.batch.indexes)):
        mean = {name: float(value[place].mean()) for name, value in terms.items()}
        yield _row(
            evaluator,
            method,
            keyed,
            place,
            samples=samples,
            bits=mean["bpp"] * keyed.batch.pixels(place),
            bytes=None,
            bpp=mean["bpp"],
            mse=mean["mse"],
            ms_ssim=similar[place],
            J=mean["bpp"] + keyed.lmbda * mean["distortion"],
            J_se=standard_error(terms["J"][place]),
        )


_Estimates = tuple[dict[str, np.ndarray], list[float | None]]
"""J and its parts, float64 [examples, members, samples]; the mean MS-SSIM of each example."""


def _estimated(
    evaluator: Evaluator,
    method: Method,
    sampled: SampledObjective,
    keyed: KeyedBatch,
    variational: VariationalParameters,
) -> _Estimates:
    data, framed = keyed.data, keyed.framed
    if sampled.channel.pools:  # positions outside the image would change its samples
        data, framed = keyed.batch.data, False
        variational = resized(variational, keyed.data, data)
    one = OverData(evaluator.graphdef, sampled, framed)
    terms, x_hat = run(
        one, evaluator.params, data, variational, keyed.keys(EVALUATION), keyed.lmbdas
    )
    similar: list[float | None] = [None] * len(keyed.batch.indexes)
    if sampled.keeps:
        for place, original in enumerate(keyed.batch.originals):
            _show(evaluator, method, keyed, place, x_hat[place, 0, 0])
            similar[place] = evaluator.plan.examples.quality(original, x_hat[place, 0])
    return {name: np.asarray(value, np.float64) for name, value in terms.items()}, similar


def _estimated_by_windows(
    evaluator: Evaluator,
    method: Method,
    sampled: SampledObjective,
    keyed: KeyedBatch,
    variational: VariationalParameters,
) -> _Estimates:
    """Estimate for large images, holding one reconstruction at a time."""
    model, examples = evaluator.by_windows(keyed), evaluator.plan.examples
    keys, lmbda = keyed.keys(EVALUATION), jnp.float32(keyed.lmbda)
    terms, similar = [], []
    for place, original in enumerate(keyed.batch.originals):
        datum, own = examples.as_coded((keyed.batch.data, variational), place)
        drawn = sampled.one_by_one(model, datum, own, keys[place, 0], lmbda)
        found = [(values, examples.quality(original, x_hat[None])) for values, x_hat in drawn]
        terms.append([values for values, _ in found])
        known = [ssim for _, ssim in found if ssim is not None]
        similar.append(float(np.mean(known)) if known else None)
    names = terms[0][0]
    arrays = {n: np.array([[float(v[n]) for v in image] for image in terms]) for n in names}
    return {name: value[:, None] for name, value in arrays.items()}, similar


def coded_rows(
    evaluator: Evaluator, method: Method, keyed: KeyedBatch, variational: VariationalParameters
) -> Iterator[Row]:
    """Yield rows of bytes that were written and read again; J is that of the decoded data.

    Args:
      evaluator: the model.
      method: a method with a coder.
      keyed: the batch.
      variational: variational parameters of ``keyed.data``, [examples, members, …].
    """
    codec, examples = evaluator.codec(method), evaluator.plan.examples
    variational = resized(variational, keyed.data, keyed.batch.data)
    for place, original in enumerate(keyed.batch.originals):
        own = examples.as_coded(variational, place)
        encoded = codec.encode(original, keyed.lmbda, own)
        decoded = codec.decode(encoded.data).datum
        if evaluator.streams is not None:
            name = f"{keyed.batch.names[place]}_{keyed.lmbda:g}_{method.name}.rdb"
            file = evaluator.streams / evaluator.name / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encoded.data)
        _show(evaluator, method, keyed, place, decoded)
        mse = float(np.mean((original.astype(np.float64) - decoded) ** 2))
        distortion = mse  # known in float64 already
        if evaluator.distortion != SquaredError():
            distortion = examples.distortion(evaluator.distortion, keyed.batch, place, decoded)
        count = len(encoded.data) - encoded.side_bytes
        bpp = 8 * count / keyed.batch.pixels(place)
        yield _row(
            evaluator,
            method,
            keyed,
            place,
            samples=1,
            bits=8.0 * count,
            bytes=count,
            bpp=bpp,
            mse=mse,
            ms_ssim=examples.quality(original, examples.as_data(decoded)[None]),
            J=bpp + keyed.lmbda * distortion,
            J_se=None,
        )


def _row(
    evaluator: Evaluator, method: Method, keyed: KeyedBatch, place: int, **measured: Any
) -> Row:
    """Return a row: what was measured, and what is known of the example and the method."""
    examples, options = evaluator.plan.examples, evaluator.plan.options
    refinement = None if method.surrogate is None else options.refine
    return Row(
        dataset=examples.name,
        image=keyed.batch.names[place],
        model=evaluator.name,
        lmbda=keyed.lmbda,
        method=method.name,
        pixels=keyed.batch.pixels(place),
        psnr=psnr(measured["mse"], examples.peak),
        steps=0 if refinement is None else refinement.steps,
        seed=keyed.seed,
        **measured,
    )


def _show(
    evaluator: Evaluator, method: Method, keyed: KeyedBatch, place: int, decoded: Any
) -> None:
    """Keep a reconstruction, [H, W, 3] in [0, 1] or uint8, if it is one of those to look at."""
    plan, name = evaluator.plan, keyed.batch.names[place]
    pictures, original = plan.options.pictures, keyed.batch.originals[place]
    if pictures is None or not pictures.wants(method, plan.methods, name, keyed.lmbda):
        return
    shown = np.asarray(decoded)[: original.shape[0], : original.shape[1]]
    if shown.dtype != np.uint8:
        shown = np.rint(255 * shown.clip(0, 1)).astype(np.uint8)
    pictures.keep(evaluator.name, method.name, name, keyed.lmbda, original, shown)
