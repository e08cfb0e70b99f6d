"""Inputs of an evaluation, opened in the same way by every process that takes part.

A model of the table is a checkpoint, or one checkpoint for each λ, such as those of a sweep:

checkpoints: [runs/own_sweep]                       all cells, called own_sweep
checkpoints: ["runs/own_sweep/lmbda=*,seed=0"]      some of them, called own_sweep
checkpoints: [{name: mine, path: runs/own_sweep}]   called mine
"""

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rdbound.channels import make_channel
from rdbound.checkpoints import checkpoint
from rdbound.checkpoints.checkpoint import RUN_FILE, Checkpoint, zoo
from rdbound.config import Config
from rdbound.config.schema import CheckpointConfig, EvaluationConfig, VectorsConfig
from rdbound.evaluation.examples import Examples, ImageExamples, VectorExamples
from rdbound.evaluation.options import EvaluationOptions
from rdbound.evaluation.plan import Plan, distinct, lmbdas_of, make_plan
from rdbound.evaluation.reconstructions import MOST_SHOWN, Pictures
from rdbound.images.sets import open_images
from rdbound.methods import METHODS
from rdbound.models.base import check_lmbda
from rdbound.optimization.training_state import METRICS
from rdbound.runs.run_folder import PICTURES
from rdbound.sources import make_source

__all__ = ["Inputs", "Subject", "open_inputs", "open_subject", "plans_of"]


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
        """The family of priors, ``bound`` or ``codec``."""
        return self.parts[0][0].model.form

    @property
    def lmbdas(self) -> tuple[float, ...]:
        """All λ that the model serves."""
        return tuple(lmbda for _, lmbdas in self.parts for lmbda in lmbdas)

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the files, by the name of the model and, if it has several, the λ."""
        if len(self.parts) == 1:
            return {self.name: self.parts[0][0].digest}
        return {f"{self.name} λ={one.model.lmbda_range[0]}": one.digest for one, _ in self.parts}


@dataclass(frozen=True)
class Inputs:
    """Everything that the section ``evaluation`` of a config names, opened and checked.

    Attributes:
      subjects: the models.
      examples: the images or vectors.
      plans: the evaluation of each checkpoint of the models.
    """

    subjects: tuple[Subject, ...]
    examples: Examples
    plans: tuple[Plan, ...]


def open_inputs(config: Config) -> Inputs:
    """Open the inputs of an evaluation.

    Raises:
      ValueError: The config has no section ``evaluation``, or it names something that is missing
        or does not fit the rest.
    """
    section = config.evaluation
    if section is None:
        raise ValueError("evaluation needs the section evaluation in the config")
    load = partial(checkpoint.load, outside=section.outside)
    examples = _examples(section, config.seed)
    subjects = tuple(open_subject(one, section.lmbdas, load) for one in section.checkpoints)
    names = [one.name for one in subjects]
    if len(set(names)) < len(names):
        raise ValueError(
            f"two checkpoints have the same name: {', '.join(names)}; give one as "
            "{name: …, path: …}"
        )
    pictures = _pictures(subjects, examples, Path(config.output) / PICTURES)
    options = replace(_options(section, config.seed), pictures=pictures)
    return Inputs(subjects, examples, plans_of(subjects, examples, options))


def plans_of(
    subjects: Sequence[Subject], examples: Examples, options: EvaluationOptions
) -> tuple[Plan, ...]:
    """Return the plans of all checkpoints of several models, each for its own λ."""
    return tuple(
        make_plan(one, examples, replace(options, lmbdas=lmbdas))
        for subject in subjects
        for one, lmbdas in subject.parts
    )


def _examples(section: EvaluationConfig, seed: int) -> Examples:
    data = section.data
    if isinstance(data, VectorsConfig):
        source = make_source(data.source, **data.options)
        return VectorExamples(data.source, source, data.vectors, data.blocks, seed)
    images = open_images(data.source, data.path, data.split).take(data.take)
    return ImageExamples(images.cached(data.cache_gib))


def _options(section: EvaluationConfig, seed: int) -> EvaluationOptions:
    refinement = section.refinement
    surrogates = {} if refinement is None else refinement.surrogates
    known = {method.surrogate for method in METHODS.values()} - {None}
    for name, options in surrogates.items():
        if name not in known:
            raise ValueError(
                f"evaluation.refinement.surrogates: no method is refined through {name!r}, but "
                f"through {', '.join(sorted(map(str, known)))}"
            )
        make_channel(name, **options)  # raises for an option that it lacks
    return EvaluationOptions(
        lmbdas=section.lmbdas,
        samples=section.samples,
        refine=refinement,
        batch=section.batch,
        methods=section.methods,
        surrogates=surrogates,
        seed=seed,
        shard=section.shard,
    )


def _pictures(subjects: Sequence[Subject], examples: Examples, folder: Path) -> Pictures | None:
    """Return where to keep pictures of the first images at the middle λ; None for vectors."""
    if examples.vectors:
        return None
    served = sorted({lmbda for subject in subjects for lmbda in subject.lmbdas})
    names = frozenset(examples.names[:MOST_SHOWN])
    return Pictures(folder, names, served[len(served) // 2])


def open_subject(
    entry: str | CheckpointConfig,
    lmbdas: Sequence[float] | None,
    load: Callable[[str | Path], Checkpoint],
) -> Subject:
    """Return the model that an entry of ``checkpoints`` names.

    Args:
      entry: a file, a run's folder or a name in the zoo; a folder of runs or a pattern
        of such paths; or one of these with a name.
      lmbdas: the trade-offs to evaluate at; None for all that the model serves.
      load: a function that reads a checkpoint.

    Raises:
      ValueError: There is no checkpoint, a run of the folder has none yet, the checkpoints
        differ in their family of priors or distortion, or a λ is served by none or several.
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
    """The checkpoints of a folder or a pattern, and their common name."""

    name: str
    files: Sequence[Path]


def _expanded(path: str) -> _Found | None:
    """Return the checkpoints of a folder of runs or of a pattern; None for a single one."""
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
    """Return the checkpoints among ``places``: files, and folders of training runs."""
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
    """Raise ValueError if the checkpoints differ in the family of priors or the distortion."""
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
    """Return the λ of each checkpoint by its index; a checkpoint that serves none is left out.

    Raises:
      ValueError: A λ is served by no checkpoint or by several.
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
