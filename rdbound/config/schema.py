"""The schema of experiments: every key that a YAML file may have, with its meaning.

    output: runs/example
    model: {name: res-hyper-4, form: bound, lmbda: [0.0009, 0.0966]}
    training:
      data: {source: folder, path: "${RDBOUND_DATA}/train", crop: 128}
      channel: {name: gaussian}
      options: {steps: 7000}

Sections are optional: each command asks for those it needs, ``train`` for ``model`` and
``training``, ``evaluate`` for ``evaluation``, ``answers`` for ``laboratory``. Options of
things by name (:class:`NamedConfig`) are checked by the constructors that they name, not here. The
string below a key is its meaning: :mod:`rdbound.config.reference` and editors that know JSON Schema
show it.
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
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class NamedConfig(_Strict):
    """A channel, a coder, a distortion or a source."""

    name: str
    """Its name; ``package.module:Class`` for one from outside the package."""
    options: dict[str, Any] = {}
    """Keywords of its constructor, which checks them."""


class ModelConfig(_Strict):
    """The latent model, as :func:`rdbound.models.make_model` takes it."""

    name: str
    """Name of the model."""
    form: Literal["bound", "codec"]
    """Family of priors: ``bound`` for upper bounds on R(D), ``codec`` for a quantized codec."""
    lmbda: PositiveFloat | tuple[PositiveFloat, PositiveFloat]
    """One trade-off λ (fixed rate) or a pair, low < high (variable rate)."""
    start_from: str | None = None
    """A checkpoint whose weights the model starts with: a path or a name in the zoo."""
    options: dict[str, Any] = {}
    """Keywords of its constructor, which checks them."""
    distortion: NamedConfig | None = None
    """The distortion that λ multiplies; null takes squared error."""

    @field_validator("lmbda")
    @classmethod
    def _rising(cls, value):
        if isinstance(value, tuple) and value[0] >= value[1]:
            raise ValueError("expected low < high")
        return value

    def spec(self) -> dict:
        """Return what a checkpoint keeps to rebuild the model."""
        lmbda = list(self.lmbda) if isinstance(self.lmbda, tuple) else self.lmbda
        spec = {"name": self.name, "form": self.form, "lmbda": lmbda, **self.options}
        if self.distortion is not None:
            spec["distortion"] = self.distortion.model_dump()
        return spec

    def keywords(self) -> dict[str, Any]:
        """Return the keywords of :func:`rdbound.models.make_model`."""
        return {k: v for k, v in self.spec().items() if k != "distortion"}


class ImagesConfig(_Strict):
    """A set of images."""

    source: str
    """``folder``, ``kodak``, ``bundled``, ``bundled-crops`` or ``tfds:NAME``."""
    path: str | None = None
    """The folder of the images, of Kodak or of the TFDS data."""
    split: str = "test"
    """Split of a TFDS data set."""
    take: PositiveInt | None = None
    """Number of images, the first ones; null takes all."""
    cache_gib: PositiveFloat = 2.0
    """Memory for decoded images, GiB."""


class CropsConfig(ImagesConfig):
    """Training crops out of a set of images."""

    split: str = "train"
    """Split of a TFDS data set."""
    crop: PositiveInt = 256
    """Side of a crop in pixels, a multiple of the model's stride."""
    held_out: NonNegativeInt = 0
    """Number of images held out to watch J, at even distances through the set."""


class VectorsConfig(_Strict):
    """Vectors of any source of :mod:`rdbound.sources`, by name."""

    source: str
    """Name of the source."""
    options: dict[str, Any] = {}
    """Keywords of its constructor, which checks them."""
    vectors: PositiveInt = 96_000
    """Number of vectors that evaluation draws."""
    blocks: PositiveInt = 12
    """Number of blocks that these come in; a block of vectors is treated as an image is: it has a
    row of the table and one stream.
    """


def _by_source(images: type) -> Any:
    """Return a validator that reads vectors where the source is one of vectors, else ``images``."""

    def choose(cls, value):
        if not isinstance(value, dict):
            return value
        return (VectorsConfig if value.get("source") in SOURCES else images)(**value)

    return field_validator("data", mode="before")(classmethod(choose))


class TrainConfig(_Strict):
    """What a model is trained on, through which channel, and how."""

    data: VectorsConfig | CropsConfig
    """Crops of images or vectors of a source; ``source`` decides which."""
    channel: NamedConfig
    """Channel of training, for example ``gaussian`` for a bound and ``mixed`` for a codec."""
    options: TrainingOptions = TrainingOptions()
    """Hyperparameters of training."""
    weights: Literal["float32", "float16", "coded"] = "float32"
    """Storage of the checkpoint's weights: float16 takes half of float32, coded about a third of
    that.
    """

    _choose = _by_source(CropsConfig)


@dataclass(frozen=True, config=ConfigDict(extra="forbid", use_attribute_docstrings=True))
class RefinementConfig(RefinementOptions):
    """Options of refinement, and of the surrogate channels that methods refine through."""

    surrogates: dict[str, dict[str, Any]] = Field(
        default_factory=dict, json_schema_extra={"default": {}}
    )
    """Options of surrogate channels by the channel's name, such as ``{sga: {final: 0.01}}``."""


class CheckpointConfig(_Strict):
    """Checkpoints under a name."""

    name: Annotated[str, Field(pattern=r"^\w[^/]*$")]
    """Name in tables."""
    path: str
    """Anything that an entry of ``checkpoints`` may be."""


class EvaluationConfig(_Strict):
    """Which checkpoints are evaluated, on what and how."""

    checkpoints: tuple[str | CheckpointConfig, ...] = Field(min_length=1)
    """Files, runs or names in the zoo; the folder of a sweep, or a pattern of runs or files, is one
    model with as many λ.
    """
    data: VectorsConfig | ImagesConfig
    """Images or vectors of a source; ``source`` decides which."""
    lmbdas: tuple[PositiveFloat, ...] | None = Field(None, min_length=1)
    """Trade-offs; null takes those that a checkpoint serves: its λ for a fixed rate, those of Zhang
    & Liu 2025 in its range for a variable rate.
    """
    methods: tuple[str, ...] | None = None
    """Names of methods and of groups of them, such as ``ladder`` (``rdbound.methods``); null takes
    every method that applies and is in no group.
    """
    samples: PositiveInt = 8
    """Number of fresh noise samples where a channel is random."""
    batch: PositiveInt | Literal["auto"] = 1
    """Number of examples of one size refined at a time; ``auto`` takes as many as fit in memory."""
    processes: PositiveInt = 1
    """Number of processes that share the work, each with its own part of the CPU's cores."""
    shard: tuple[NonNegativeInt, PositiveInt] | None = None
    """(k, n) for the k-th of n jobs, from 0, which writes a table of every n-th task and no report;
    set by ``rdbound evaluate --engine``.
    """
    refinement: RefinementConfig | None = None
    """Per-sample optimization; null leaves it out, and with it the gaps."""
    anchor: str = DEFAULT_ANCHOR
    """Anchor of BD-rates: a published curve, a CSV of points or ``TABLE.csv:METHOD``."""
    keep_streams: bool = False
    """Whether the bytes of coded rows are kept as files."""
    outside: tuple[str, ...] = ()
    """Names ``package.module:Class`` that the checkpoints may import."""

    _choose = _by_source(ImagesConfig)

    @field_validator("shard")
    @classmethod
    def _one_of(cls, value):
        if value is not None and value[0] >= value[1]:
            raise ValueError("expected the first below the second")
        return value


class MethodConfig(NamedConfig):
    """A method by name, with its options."""

    label: str | None = None
    """Name in tables, where one method is tried with several options."""
    lmbdas: tuple[PositiveFloat, ...] | None = None
    """Trade-offs of this method; null takes those of the case."""


class CaseConfig(_Strict):
    """One source and the methods that are tried on it."""

    label: str
    """Name in tables."""
    source: NamedConfig
    """The source, whose R(D) is known or can be sampled."""
    lmbdas: tuple[PositiveFloat, ...] = Field(min_length=1)
    """Trade-offs λ in bits per unit of distortion."""
    methods: tuple[MethodConfig, ...] = Field(min_length=1)
    """The methods that are tried."""


class LaboratoryConfig(_Strict):
    """Sources with known answers, and methods."""

    cases: tuple[CaseConfig, ...] = Field(min_length=1)
    """The cases, one after another."""


class SweepConfig(_Strict):
    """A grid of configs (:func:`rdbound.config.sweep.cells`): every other key is a dotted one."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, list] = Field(init=False)

    name: str | None = None
    """Name of a cell's folder, with keys in braces: ``"{lmbda}-seed{seed}"``."""
    zip: dict[str, list] = {}
    """Lists of one length by dotted keys; their values go together."""

    @property
    def crossed(self) -> dict[str, list]:
        """Lists by dotted keys, every value of one with every value of the others."""
        return self.__pydantic_extra__


class Config(_Strict):
    """A whole experiment: one run folder, or with ``sweep`` one for each cell of its grid."""

    output: str
    """The run folder."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of data, noise and draws of λ; that of the initial weights is an option of the model."""
    model: ModelConfig | None = None
    """The model to train."""
    training: TrainConfig | None = None
    """The training of the model; the command ``train`` needs both."""
    evaluation: EvaluationConfig | None = None
    """The evaluation of checkpoints; the command ``evaluate`` needs it."""
    laboratory: LaboratoryConfig | None = None
    """The sources and methods with known answers; the command ``answers`` needs them."""
    sweep: SweepConfig | None = None
    """Lists of values by dotted keys; every combination is a run."""
