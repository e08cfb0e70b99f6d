"""What a configuration's evaluation is made of: opened alike by every process that takes part.

What is evaluated under one name: a checkpoint, or one for each λ, such as those of a sweep.

checkpoints: [runs/own_sweep]                       all cells, called own_sweep
checkpoints: ["runs/own_sweep/lmbda=*,seed=0"]      some of them, called own_sweep
checkpoints: [{name: mine, path: runs/own_sweep}]   called mine
"""

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rdbound.channels import Channel, make_channel
from rdbound.checkpoints import checkpoint
from rdbound.checkpoints.checkpoint import RUN_FILE, Checkpoint, zoo
from rdbound.config.schema import CheckpointConfig, EvaluationConfig, NamedConfig, VectorsConfig
from rdbound.evaluation.evaluate import distinct, lmbdas_of
from rdbound.evaluation.examples import Examples, ImageExamples, VectorExamples
from rdbound.evaluation.options import EvaluationOptions
from rdbound.images.sets import open_images
from rdbound.models.base import check_lmbda
from rdbound.optimization.training_state import METRICS
from rdbound.sources import make_source

__all__ = ["Subject", "evaluation_options", "open_examples", "open_subject", "open_subjects"]


@dataclass(frozen=True)
class Subject:
    """One model of the RD table.

    Attributes:
      name: the table's ``model``.
      parts: checkpoints, each with the λ that it serves, rising; no λ is in two of them.
    """

    name: str
    parts: tuple[tuple[Checkpoint, tuple[float, ...]], ...]

    @property
    def form(self) -> str:
        """``bound`` or ``codec``."""
        return self.parts[0][0].model.form

    @property
    def lmbdas(self) -> tuple[float, ...]:
        """All that are served."""
        return tuple(lmbda for _, lmbdas in self.parts for lmbda in lmbdas)

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of what is read, by the name of the model and, where it has several, the λ."""
        if len(self.parts) == 1:
            return {self.name: self.parts[0][0].digest}
        return {f"{self.name} λ={one.model.lmbda_range[0]}": one.digest for one, _ in self.parts}


def open_subjects(section: EvaluationConfig) -> list[Subject]:
    """The models; raises ValueError as :func:`rdbound.runs.inputs.open_subject`."""
    load = partial(checkpoint.load, outside=section.outside)
    return [open_subject(one, section.lmbdas, load) for one in section.checkpoints]


def open_examples(section: EvaluationConfig, seed: int) -> Examples:
    """The images or vectors; raises ValueError where there are none."""
    data = section.data
    if isinstance(data, VectorsConfig):
        source = make_source(data.source, **data.options)
        return VectorExamples(data.source, source, data.vectors, data.blocks, seed)
    images = open_images(data.source, data.path, data.split).take(data.take)
    return ImageExamples(images.cached(data.cache_gib))


def evaluation_options(section: EvaluationConfig, seed: int) -> EvaluationOptions:
    """The options that a config's section means; raises ValueError for an unknown channel.

    ``bound_channel`` takes the place of ``gaussian`` in the methods, judge and
    refinement alike; the refinement's ``channel`` that of ``sga``, alone and in
    bits-back; soft rounding hardens over the steps of the refinement.

    Args:
      section: ``evaluation`` of the config.
      seed: of the config.
    """
    bound = _channel(section.bound_channel)
    channels = {"gaussian": bound}
    if section.refinement is not None:
        sga = _channel(section.refinement.channel)
        soft = make_channel("soft-rounding", steps=section.refinement.steps)
        channels |= {
            "sga": sga,
            "bits-back-sga": make_channel("bits-back", of=sga),
            "soft-rounding": soft,
        }
    return EvaluationOptions(
        lmbdas=section.lmbdas,
        samples=section.samples,
        refine=section.refinement,
        batch=section.batch,
        methods=section.methods,
        channels=channels,
        seed=seed,
        shard=section.shard,
    )


def _channel(named: NamedConfig) -> Channel:
    return make_channel(named.name, **named.options)


def open_subject(
    entry: str | CheckpointConfig,
    lmbdas: Sequence[float] | None,
    load: Callable[[str | Path], Checkpoint],
) -> Subject:
    """The model that an entry of ``checkpoints`` means.

    Args:
      entry: a file, a run's folder or a name in the zoo; a folder of runs or a pattern
        of such paths; or one of these with a name.
      lmbdas: those to evaluate at; None for all that the model serves.
      load: reads a checkpoint.

    Raises ValueError where there is no checkpoint, a run of the folder has none yet, the
    checkpoints are not of one family of priors and one distortion, or where a λ is served
    by none of them or by several.
    """
    path = entry if isinstance(entry, str) else entry.path
    found = _expanded(path)
    loaded = [load(path)] if found is None else [load(file) for file in found.files]
    _check_alike(path, loaded)
    own = loaded[0].name if found is None else found.name
    name = own if isinstance(entry, str) else entry.name
    if found is None:
        return Subject(name, ((replace(loaded[0], name=name), lmbdas_of(loaded[0], lmbdas)),))
    loaded.sort(key=lambda one: one.model.lmbda_range)
    shares = _shares(path, loaded, lmbdas)
    return Subject(name, tuple((replace(loaded[i], name=name), of) for i, of in shares.items()))


@dataclass(frozen=True)
class _Found:
    """The checkpoints of a folder or of a pattern, and what they are called together."""

    name: str
    files: Sequence[Path]


def _expanded(path: str) -> _Found | None:
    """The checkpoints of a folder of runs or of a pattern; None for what is a single one."""
    place = Path(path).expanduser()
    if path in zoo():
        return None
    if place.is_dir() and not _is_run(place):
        return _Found(place.absolute().name, _trained(path, sorted(place.iterdir())))
    if place.exists() or not glob.has_magic(path):
        return None
    fixed = next(p for p in place.absolute().parents if not glob.has_magic(str(p)))
    matches = sorted(Path(match) for match in glob.glob(str(place)))
    return _Found(fixed.name, _trained(path, matches))


def _is_run(folder: Path) -> bool:
    return (folder / RUN_FILE).is_file() or (folder / METRICS).is_file()


def _trained(path: str, places: Sequence[Path]) -> list[Path]:
    """The checkpoints among ``places``: files, and folders of training runs."""
    runs = [p for p in places if p.is_dir() and _is_run(p)]
    for run in runs:
        if not (run / RUN_FILE).is_file():
            raise ValueError(
                f"{path}: the run in {run} is not finished; go on with it, or name the others "
                "by a pattern"
            )
    files = [run / RUN_FILE for run in runs] + [p for p in places if p.suffix == ".safetensors"]
    if not files:
        raise ValueError(f"no checkpoint {path}: neither a run nor a folder or pattern of runs")
    return files


def _check_alike(path: str, loaded: Sequence[Checkpoint]) -> None:
    """Raise ValueError where J of one checkpoint is not J of another."""
    for what, values in (
        ("family of priors", {one.model.form for one in loaded}),
        ("distortion", {str(one.spec.get("distortion")) for one in loaded}),
    ):
        if len(values) > 1:
            raise ValueError(
                f"{path}: checkpoints of more than one {what} ({', '.join(sorted(values))}) are "
                "no one model; name some of them by a pattern"
            )


def _shares(
    path: str, loaded: Sequence[Checkpoint], lmbdas: Sequence[float] | None
) -> dict[int, tuple[float, ...]]:
    """The λ that each of the checkpoints serves, by its index; those that serve none are left out.

    Raises ValueError for a λ that not one of them serves alone.
    """
    if lmbdas is None:
        lmbdas = sorted({lmbda for one in loaded for lmbda in lmbdas_of(one, None)})
    shares: dict[int, tuple[float, ...]] = {}
    for lmbda in distinct(lmbdas):
        able = [i for i, one in enumerate(loaded) if _serves(one, lmbda)]
        if not able:
            known = ", ".join(f"{low:g}" for low, _ in (one.model.lmbda_range for one in loaded))
            raise ValueError(f"{path}: no checkpoint serves λ = {lmbda:g}; they serve {known}")
        if len(able) > 1:
            names = " and ".join(loaded[i].name for i in able)
            raise ValueError(
                f"{path}: λ = {lmbda:g} is served by {names}; name one of them by a pattern"
            )
        shares[able[0]] = (*shares.get(able[0], ()), lmbda)
    return dict(sorted(shares.items()))


def _serves(one: Checkpoint, lmbda: float) -> bool:
    try:
        check_lmbda(lmbda, one.model.lmbda_range)
    except ValueError:
        return False
    return True
