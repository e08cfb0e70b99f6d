"""Train a model from a configuration into a run folder.

FOLDER/model.safetensors        the averaged weights, and the tables of a codec
FOLDER/last_good.safetensors    in its place, if the loss stopped being finite
FOLDER/checkpoints, metrics.jsonl, tensorboard    see :mod:`rdbound.optimization.training_state`
"""

import time
from pathlib import Path

from rdbound.channels import make_channel
from rdbound.checkpoints import checkpoint
from rdbound.checkpoints.model_check import Candidate, check_shapes
from rdbound.config import Config
from rdbound.config.schema import CropsConfig, ModelConfig, TrainConfig, VectorsConfig
from rdbound.images.crops import centre_crops, crops
from rdbound.images.sets import ImageSet, open_images
from rdbound.models import LatentModel, make_model
from rdbound.objective.distortion import Distortion, SquaredError, make_distortion
from rdbound.optimization.multihost import is_first, meet
from rdbound.optimization.training import NonFiniteLossError, TrainingProblem, fit
from rdbound.runs import run_folder
from rdbound.sources import make_source
from rdbound.sources.base import Stream
from rdbound.utils.progress import LOG, SILENT, Progress

__all__ = ["train_run"]


def train_run(config: Config, progress: Progress = SILENT) -> Path:
    """Train a model, unless its run is finished, and return its checkpoint.

    Args:
      config: a configuration with the sections ``model`` and ``training``.
      progress: receives the number of steps.

    Raises:
      ValueError: the configuration is incomplete or contradictory, found before the folder is
        made; or the loss stopped being finite: the message says how to continue from the last
        good weights.
    """
    if config.model is None or config.training is None:
        raise ValueError("training needs the sections model and training in the config")
    model = make_model(**config.model.keywords())
    if config.model.start_from is not None:
        model = checkpoint.start_from(model, config.model.start_from)
    images, held = _images(config.training)
    problem = _problem(config, model, images, held)
    with run_folder.open_run(config, _inputs(config, images)) as folder:
        target = folder / checkpoint.RUN_FILE
        if run_folder.finished(folder):
            LOG.info(f"{folder}: finished before; nothing to do")
            return target
        start = time.monotonic()
        model = _fit(problem, config, folder, progress)
        if is_first():
            weights = config.training.weights
            checkpoint.save_checkpoint(target, model, config.model.spec(), weights)
            LOG.info(f"wrote {target}")
            steps, seconds = config.training.options.steps, time.monotonic() - start
            run_folder.finish(folder, {"steps": steps, "seconds_of_this_start": seconds})
        meet("the weights are written")
        return target


def _images(training: TrainConfig) -> tuple[ImageSet | None, ImageSet | None]:
    """Return the images to train on and the held-out ones, None for each that there is not."""
    data = training.data
    if not isinstance(data, CropsConfig):
        return None, None
    images = open_images(data.source, data.path, data.split).take(data.take)
    if not data.held_out:
        return images.cached(data.cache_gib), None
    images, held = images.without(data.held_out)
    return images.cached(data.cache_gib), held


def _problem(
    config: Config, model: LatentModel, images: ImageSet | None, held: ImageSet | None
) -> TrainingProblem:
    """Join model, channel, data and distortion; raise ValueError if they do not fit together."""
    assert config.model is not None
    assert config.training is not None
    training, data = config.training, config.training.data
    channel = make_channel(training.channel.name, **training.channel.options)
    distortion, batch = _distortion(config.model), training.options.batch
    if isinstance(data, VectorsConfig):
        source = make_source(data.source, **data.options)
        problem = TrainingProblem(model, channel, Stream(source, batch, config.seed), distortion)
        shape: tuple[int, ...] = (source.dimension,)
    else:
        assert images is not None
        if data.crop % model.stride:
            raise ValueError(
                f"training.data.crop is {data.crop}, not a multiple of the model's stride "
                f"{model.stride}"
            )
        batches = crops(images, data.crop, batch, config.seed)
        held_out = None if held is None else centre_crops(held, data.crop)
        problem = TrainingProblem(model, channel, batches, distortion, held_out)
        shape = (data.crop, data.crop, 3)
    if not run_folder.finished(Path(config.output)):
        check_shapes(Candidate(model, config.model.spec(), channel, distortion, shape))
    return problem


def _distortion(model: ModelConfig) -> Distortion:
    named = model.distortion
    return SquaredError() if named is None else make_distortion(named.name, **named.options)


def _inputs(config: Config, images: ImageSet | None) -> dict[str, str]:
    """Return digests of what the run reads."""
    inputs = {}
    if config.model is not None and config.model.start_from is not None:
        inputs["model.start_from"] = checkpoint.digest(config.model.start_from)
    if images is not None:
        inputs["training.data"] = images.fingerprint()
    return inputs


def _fit(problem: TrainingProblem, config: Config, folder: Path, progress: Progress) -> LatentModel:
    """Train; if the loss stops being finite, keep the last good weights and raise ValueError."""
    assert config.model is not None
    assert config.training is not None
    try:
        return fit(problem, config.training.options, folder, config.seed, progress)
    except NonFiniteLossError as error:
        if not is_first():
            raise ValueError(str(error)) from None
        target = folder / "last_good.safetensors"
        kept = checkpoint.save_checkpoint(target, error.model, config.model.spec())
        raise ValueError(
            f"{error}; its averaged weights are in {kept}: go on from them with "
            f"model.start_from={kept} output=NEW_FOLDER and a lower "
            "training.options.learning_rate or training.options.clip"
        ) from None
