"""What a configuration's evaluation is made of: opened alike by every process that takes part."""

from functools import partial

from rdbound.channels import Channel, make_channel
from rdbound.checkpoints import checkpoint
from rdbound.config.schema import EvaluationConfig, NamedConfig, VectorsConfig
from rdbound.evaluation.examples import Examples, ImageExamples, VectorExamples
from rdbound.evaluation.options import EvaluationOptions
from rdbound.images.sets import open_images
from rdbound.runs.subjects import Subject, open_subject
from rdbound.sources import make_source

__all__ = ["evaluation_options", "open_examples", "open_subjects"]


def open_subjects(section: EvaluationConfig) -> list[Subject]:
    """The models; raises ValueError as :func:`rdbound.runs.subjects.open_subject`."""
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
