"""The stage that trains: configuration in, a run folder with a checkpoint out.

FOLDER/model.safetensors        the averaged weights, and a codec's tables
FOLDER/last_good.safetensors    instead, where the loss stopped being finite
FOLDER/checkpoints, metrics.jsonl, tensorboard    see :mod:`rdbound.optimization.training_state`
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rdbound.channels import Channel, make_channel
from rdbound.checkpoints import checkpoint
from rdbound.checkpoints.model_check import Candidate, check_model
from rdbound.config import Config
from rdbound.config.schema import CropsConfig, ModelConfig, TrainConfig, VectorsConfig
from rdbound.images.crops import centre_crops, crops
from rdbound.images.sets import ImageSet, open_images
from rdbound.models import LatentModel, make_model
from rdbound.objective.distortion import Distortion, SquaredError, make_distortion
from rdbound.optimization.multihost import is_first, meet
from rdbound.optimization.training import NonFiniteLossError, fit
from rdbound.runs import run_folder
from rdbound.runs.progress import Bars, warn
from rdbound.sources import make_source
from rdbound.sources.base import Stream

__all__ = ["train_run"]

Say = Callable[[str], None]


def train_run(config: Config, say: Say) -> Path:
    """Train a model; returns its checkpoint. A finished run is not repeated.

    Raises ValueError for what the configuration lacks or cannot mean, before
    the folder is made, and where the loss stops being finite: the message then says
    how to go on from the last good weights.
    """
    if config.model is None or config.training is None:
        raise ValueError("training needs the sections model and training in the config")
    training, options = config.training, config.training.options
    model = make_model(**config.model.keywords())
    if config.model.start_from is not None:
        model = checkpoint.start_from(model, config.model.start_from)
    channel = make_channel(training.channel.name, **training.channel.options)
    distortion = _distortion(config.model)
    data = _open(training, config.seed)
    if not run_folder.finished(Path(config.output)):
        _check_fit(model, channel, distortion, data, config)
    with run_folder.open_run(config, _inputs(config, data)) as folder:
        target = folder / checkpoint.RUN_FILE
        if run_folder.finished(folder):
            say(f"{folder}: finished before; nothing to do")
            return target
        start = time.monotonic()
        with Bars() as bars:
            show = lambda step, values: bars.update(  # noqa: E731
                "training", step, options.steps, f"J {values['J']:.3f}"
            )
            run = partial(
                fit,
                model,
                channel,
                data.batches(),
                options,
                folder,
                config.seed,
                distortion,
                data.held_out,
                progress=show,
                warn=warn,
                say=say,
            )
            model = _fit_or_keep(run, folder, config.model.spec())
        if is_first():
            checkpoint.save_checkpoint(target, model, config.model.spec(), training.weights)
            say(f"wrote {target}")
            seconds = time.monotonic() - start
            run_folder.finish(folder, {"steps": options.steps, "seconds_of_this_start": seconds})
        meet("the weights are written")
        return target


def _distortion(model: ModelConfig) -> Distortion:
    named = model.distortion
    return SquaredError() if named is None else make_distortion(named.name, **named.options)


@dataclass(frozen=True)
class _Data:
    """What a model is trained on.

    Attributes:
      shape: of a batch, with its type.
      batches: makes the endless iterator over them.
      images: those that crops are cut from; None for vectors.
      held_out: a batch that is only watched, or None.
    """

    shape: jax.ShapeDtypeStruct
    batches: Callable[[], Any]
    images: ImageSet | None = None
    held_out: np.ndarray | None = None


def _open(training: TrainConfig, seed: int) -> _Data:
    data, batch = training.data, training.options.batch
    if isinstance(data, VectorsConfig):
        source = make_source(data.source, **data.options)
        shape = jax.ShapeDtypeStruct((batch, source.dimension), "float32")
        return _Data(shape, lambda: Stream(source, batch, seed))
    assert isinstance(data, CropsConfig)
    images, held_out = open_images(data.source, data.path, data.split).take(data.take), None
    if data.held_out:
        images, held = images.without(data.held_out)
        held_out = centre_crops(held, data.crop)
    images = images.cached(data.cache_gib)
    shape = jax.ShapeDtypeStruct((batch, data.crop, data.crop, 3), "uint8")
    return _Data(shape, lambda: crops(images, data.crop, batch, seed), images, held_out)


def _inputs(config: Config, data: _Data) -> dict[str, str]:
    """Digests of what the run reads."""
    inputs = {}
    if config.model is not None and config.model.start_from is not None:
        inputs["model.start_from"] = checkpoint.digest(config.model.start_from)
    if data.images is not None:
        inputs["training.data"] = data.images.fingerprint()
    return inputs


def _check_fit(
    model: LatentModel, channel: Channel, distortion: Distortion, data: "_Data", config: Config
) -> None:
    """Raise ValueError for what would fail in training, or after it."""
    assert config.model is not None
    assert config.training is not None
    crops_of = config.training.data
    if isinstance(crops_of, CropsConfig) and crops_of.crop % model.stride:
        raise ValueError(
            f"training.data.crop is {crops_of.crop}, not a multiple of the model's stride "
            f"{model.stride}"
        )
    spec, shape = config.model.spec(), data.shape.shape[1:]
    candidate = Candidate(model, spec, channel, distortion, shape)
    check_model(candidate, lambda _: None, compiled=False)


def _fit_or_keep(run: Callable[[], LatentModel], folder: Path, spec: dict) -> LatentModel:
    """``run()``; where its loss stops being finite, the last good weights are kept."""
    try:
        return run()
    except NonFiniteLossError as error:
        target = folder / "last_good.safetensors"
        if not is_first():
            raise ValueError(str(error)) from None
        kept = checkpoint.save_checkpoint(target, error.model, spec)
        raise ValueError(
            f"{error}; its averaged weights are in {kept}: go on from them with "
            f"model.start_from={kept} output=NEW_FOLDER and a lower "
            "training.options.learning_rate or training.options.clip"
        ) from None
