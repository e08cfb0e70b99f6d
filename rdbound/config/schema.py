"""The schema of experiments. What is written here is what a YAML may say.

    output: runs/example
    model: {name: res-hyper-4, form: bound, lmbda: [0.0009, 0.0966]}
    training:
      data: {source: folder, path: "${RDBOUND_DATA}/train", crop: 128}
      channel: {name: gaussian}
      options: {steps: 7000}

Sections are optional: each command asks for those it needs, ``train`` for ``model`` and
``training``, ``evaluate`` for ``evaluation``, ``answers`` for ``laboratory``. Options of
things by name (:class:`NamedConfig`) are checked by what they name, not here.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
)
from pydantic.dataclasses import dataclass

from rdbound.optimization.refinement import RefinementOptions
from rdbound.optimization.training_options import TrainingOptions
from rdbound.reference import DEFAULT_ANCHOR
from rdbound.sources import SOURCES

__all__ = [
    "CaseConfig",
    "CheckpointConfig",
    "Config",
    "CropsConfig",
    "EvaluationConfig",
    "ImagesConfig",
    "LaboratoryConfig",
    "MethodConfig",
    "ModelConfig",
    "NamedConfig",
    "RefinementConfig",
    "SweepConfig",
    "TrainConfig",
    "VectorsConfig",
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NamedConfig(_Strict):
    """A channel, a coder, a distortion or a source.

    Attributes:
      name: of it; ``package.module:Class`` for one from outside the package.
      options: of it; what they may be, its constructor says.
    """

    name: str
    options: dict[str, Any] = {}


class ModelConfig(_Strict):
    """The latent model, as :func:`rdbound.models.make_model` takes it.

    Attributes:
      name: of the model.
      form: ``bound`` or ``codec``.
      lmbda: one number (fixed rate) or a pair, low < high (variable).
      start_from: a checkpoint whose weights it starts with, a path or a name in the zoo
        (:func:`rdbound.checkpoints.checkpoint.start_from`).
      options: of the model.
      distortion: what λ multiplies, squared error by default.
    """

    name: str
    form: Literal["bound", "codec"]
    lmbda: PositiveFloat | tuple[PositiveFloat, PositiveFloat]
    start_from: str | None = None
    options: dict[str, Any] = {}
    distortion: NamedConfig | None = None

    @field_validator("lmbda")
    @classmethod
    def _rising(cls, value):
        if isinstance(value, tuple) and value[0] >= value[1]:
            raise ValueError("expected low < high")
        return value

    def spec(self) -> dict:
        """What :class:`rdbound.checkpoints.checkpoint.Checkpoint` keeps to rebuild it."""
        lmbda = list(self.lmbda) if isinstance(self.lmbda, tuple) else self.lmbda
        spec = {"name": self.name, "form": self.form, "lmbda": lmbda, **self.options}
        if self.distortion is not None:
            spec["distortion"] = self.distortion.model_dump()
        return spec

    def keywords(self) -> dict[str, Any]:
        """Those of :func:`rdbound.models.make_model`."""
        return {k: v for k, v in self.spec().items() if k != "distortion"}


class ImagesConfig(_Strict):
    """A set of images: ``folder``, ``kodak``, ``bundled``, ``bundled-crops`` or ``tfds:NAME``.

    Attributes:
      source: one of these.
      path: of the folder, of Kodak's, or of the TFDS data.
      split: of a TFDS data set.
      take: the first so many; all where None.
      cache_gib: memory for decoded images, GiB.
    """

    source: str
    path: str | None = None
    split: str = "test"
    take: PositiveInt | None = None
    cache_gib: PositiveFloat = 2.0


class CropsConfig(ImagesConfig):
    """Training crops out of a set of images.

    Attributes:
      crop: side of a crop in pixels, a multiple of the model's stride.
      held_out: images that are only watched, at even distances through the set.
    """

    split: str = "train"
    crop: PositiveInt = 256
    held_out: NonNegativeInt = 0


class VectorsConfig(_Strict):
    """Vectors of any source of :mod:`rdbound.sources`, by name.

    Attributes:
      source: its name.
      options: of it.
      vectors: that evaluation draws.
      blocks: that these come in; a block is to vectors what an image is to photographs: a row,
        and where it is coded one stream.
    """

    source: str
    options: dict[str, Any] = {}
    vectors: PositiveInt = 96_000
    blocks: PositiveInt = 12


def _by_source(images: type) -> Any:
    """A validator that takes what the source's name says: vectors, or ``images``."""

    def choose(cls, value):
        if not isinstance(value, dict):
            return value
        return (VectorsConfig if value.get("source") in SOURCES else images)(**value)

    return field_validator("data", mode="before")(classmethod(choose))


class TrainConfig(_Strict):
    """What a model is trained on, through which channel, and how.

    Attributes:
      data: crops of images or vectors of a source, as ``source`` says.
      channel: ``gaussian`` for a bound, ``mixed`` for a codec, for example.
      options: see :class:`rdbound.optimization.training.TrainingOptions`.
      weights: storage of the checkpoint's weights; float16 takes half of float32, coded about
        a third of that (:mod:`rdbound.checkpoints.weight_storage`).
    """

    data: VectorsConfig | CropsConfig
    channel: NamedConfig
    options: TrainingOptions = TrainingOptions()
    weights: Literal["float32", "float16", "coded"] = "float32"

    _choose = _by_source(CropsConfig)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RefinementConfig(RefinementOptions):
    """Options of refinement, and of the surrogate channels that methods refine through.

    Attributes:
      surrogates: options of surrogate channels by the channel's name, such as
        ``{sga: {final: 0.01}}``.
    """

    surrogates: dict[str, dict[str, Any]] = Field(default_factory=dict)


class CheckpointConfig(_Strict):
    """Checkpoints under a name.

    Attributes:
      name: in tables.
      path: all that an entry of ``checkpoints`` may be.
    """

    name: Annotated[str, Field(pattern=r"^\w[^/]*$")]
    path: str


class EvaluationConfig(_Strict):
    """Which checkpoints are evaluated, on what and how.

    Attributes:
      checkpoints: files, runs or names in the zoo; a sweep's folder, or a pattern of runs
        or files, is one model with as many λ (:mod:`rdbound.runs.inputs`).
      data: images or vectors of a source, as ``source`` says.
      lmbdas: trade-offs; null takes all that a checkpoint serves, the one λ of a fixed rate,
        of a variable one those of Zhang & Liu 2025 in its range.
      methods: names of methods and of groups of them, such as ``ladder``
        (:mod:`rdbound.methods`); null takes every method that applies and is in no group.
      samples: fresh noise samples of a channel that is random.
      batch: examples of one size refined at a time; ``auto`` as many as memory has room for.
      processes: how many share the work, each with its own part of the CPU's cores.
      shard: (k, n), of n jobs the k-th from 0, which leaves a table of every n-th task and no
        report; written by ``rdbound evaluate --engine``.
      refinement: per-sample optimization; null leaves it out, and the gaps with it.
      anchor: what BD-rates are against, a published curve, a CSV of points or
        ``TABLE.csv:METHOD``.
      keep_streams: the bytes of coded rows, as files.
      outside: names ``package.module:Class`` that the checkpoints may import.
    """

    checkpoints: tuple[str | CheckpointConfig, ...] = Field(min_length=1)
    data: VectorsConfig | ImagesConfig
    lmbdas: tuple[PositiveFloat, ...] | None = Field(None, min_length=1)
    methods: tuple[str, ...] | None = None
    samples: PositiveInt = 8
    batch: PositiveInt | Literal["auto"] = 1
    processes: PositiveInt = 1
    shard: tuple[NonNegativeInt, PositiveInt] | None = None
    refinement: RefinementConfig | None = None
    anchor: str = DEFAULT_ANCHOR
    keep_streams: bool = False
    outside: tuple[str, ...] = ()

    _choose = _by_source(ImagesConfig)

    @field_validator("shard")
    @classmethod
    def _one_of(cls, value):
        if value is not None and value[0] >= value[1]:
            raise ValueError("expected the first below the second")
        return value


class MethodConfig(NamedConfig):
    """A method by name, with its options.

    Attributes:
      label: what tables call it, where one method is tried with several options.
      lmbdas: in place of the case's.
    """

    label: str | None = None
    lmbdas: tuple[PositiveFloat, ...] | None = None


class CaseConfig(_Strict):
    """One source and the methods that are tried on it.

    Attributes:
      label: what tables call it.
      source: of known or sampled R(D).
      lmbdas: in bits per unit of distortion.
      methods: that are tried.
    """

    label: str
    source: NamedConfig
    lmbdas: tuple[PositiveFloat, ...] = Field(min_length=1)
    methods: tuple[MethodConfig, ...] = Field(min_length=1)


class LaboratoryConfig(_Strict):
    """Sources with known answers, and methods.

    Attributes:
      cases: one after another.
    """

    cases: tuple[CaseConfig, ...] = Field(min_length=1)


class SweepConfig(_Strict):
    """A grid of configs (:func:`rdbound.config.sweep.cells`): every other key is a dotted one.

    Attributes:
      name: what a cell's folder is called, with keys in braces: ``"{lmbda}-seed{seed}"``.
      zip: dotted keys to lists of one length, which go together.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, list] = Field(init=False)

    name: str | None = None
    zip: dict[str, list] = {}

    @property
    def crossed(self) -> dict[str, list]:
        """Dotted keys to lists, every value of one with every value of the others."""
        return self.__pydantic_extra__


class Config(_Strict):
    """A whole experiment: one run folder, or with ``sweep`` one for each cell of its grid.

    Attributes:
      output: the run folder.
      seed: of data, noise and draws of λ; initial weights have one among the
        model's options.
      model: that is trained.
      training: of it; the command ``train`` asks for both.
      evaluation: of checkpoints; the command ``evaluate`` asks for it.
      laboratory: of sources; the command ``answers`` asks for it.
      sweep: dotted keys to lists.
    """

    output: str
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    model: ModelConfig | None = None
    training: TrainConfig | None = None
    evaluation: EvaluationConfig | None = None
    laboratory: LaboratoryConfig | None = None
    sweep: SweepConfig | None = None
