"""Experiments as YAML: schema, overrides, sweeps and the mistakes in them."""

import difflib
import itertools
import os
import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
)

from rdbound.refinement import RefinementOptions
from rdbound.training import TrainingOptions

__all__ = ["Config", "ConfigError", "cells", "load_config", "to_yaml"]


class ConfigError(ValueError):
    """Everything that is wrong with a configuration, one line each."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelConfig(_Strict):
    """The latent model. ``lmbda`` is one number (fixed rate) or a pair (variable)."""

    name: str
    form: Literal["bound", "codec"]
    lmbda: PositiveFloat | tuple[PositiveFloat, PositiveFloat]
    start_from: str | None = None
    options: dict[str, Any] = {}

    @field_validator("lmbda")
    @classmethod
    def _rising(cls, value):
        if isinstance(value, tuple) and value[0] >= value[1]:
            raise ValueError("expected low < high")
        return value

    def spec(self) -> dict:
        """Keywords of :func:`rdbound.models.make_model`."""
        lmbda = list(self.lmbda) if isinstance(self.lmbda, tuple) else self.lmbda
        return {"name": self.name, "form": self.form, "lmbda": lmbda, **self.options}


class ImagesConfig(_Strict):
    """A set of images: ``folder``, ``kodak``, ``bundled`` or ``tfds:NAME``."""

    source: str
    path: str | None = None
    split: str = "test"
    take: PositiveInt | None = None


class CropsConfig(ImagesConfig):
    """Training crops out of a set of images."""

    split: str = "train"
    crop: PositiveInt = 256
    cache_gib: PositiveFloat = 2.0


class VectorsConfig(_Strict):
    """A Gaussian vector with independent components: its variances, and the size of its test."""

    source: Literal["gaussian"]
    variances: tuple[PositiveFloat, ...]
    test_vectors: PositiveInt = 100_000


class ChannelConfig(_Strict):
    """A channel by name, with its options."""

    name: str
    options: dict[str, float] = {}


class TrainConfig(_Strict):
    """What is trained, on what, through which channel."""

    data: VectorsConfig | CropsConfig
    channel: ChannelConfig
    options: TrainingOptions = TrainingOptions()
    weights: Literal["float32", "float16"] = "float32"

    @field_validator("data", mode="before")
    @classmethod
    def _by_source(cls, value):
        if not isinstance(value, dict):
            return value
        return (VectorsConfig if value.get("source") == "gaussian" else CropsConfig)(**value)


class AnnealingConfig(_Strict):
    """Temperature of the SGA that refines codecs: τ₀, c and t₀ of its channel."""

    initial: PositiveFloat = 0.5
    decay: PositiveFloat = 0.001
    start: NonNegativeInt = 700


class EvaluationConfig(_Strict):
    """Which checkpoints are evaluated, on what and how.

    ``lmbdas: null`` takes the one λ of each fixed-rate checkpoint.
    """

    checkpoints: tuple[str, ...] = Field(min_length=1)
    data: ImagesConfig
    lmbdas: tuple[PositiveFloat, ...] | None = (0.0018, 0.0054, 0.0162, 0.0483)
    samples: PositiveInt = 8
    batch: PositiveInt = 1
    refinement: RefinementOptions | None = None
    sga: AnnealingConfig = AnnealingConfig()
    anchor: str = "vtm-22.0"
    keep_streams: bool = False


class NamedConfig(_Strict):
    """A source by name, with its options."""

    name: str
    options: dict[str, Any] = {}


class MethodConfig(NamedConfig):
    """A method by name, with its options.

    ``label``: what tables call it, where one method is tried with several
    options; ``lmbdas``: in place of the case's.
    """

    label: str | None = None
    lmbdas: tuple[PositiveFloat, ...] | None = None


class CaseConfig(_Strict):
    """One source and the methods that are tried on it."""

    label: str
    source: NamedConfig
    lmbdas: tuple[PositiveFloat, ...] = Field(min_length=1)
    methods: tuple[MethodConfig, ...] = Field(min_length=1)


class LaboratoryConfig(_Strict):
    """Sources with known answers, λ in bits per unit of distortion, and methods."""

    cases: tuple[CaseConfig, ...] = Field(min_length=1)


class Config(_Strict):
    """A whole experiment."""

    output: str
    seed: int = 0
    model: ModelConfig | None = None
    training: TrainConfig | None = None
    evaluation: EvaluationConfig | None = None
    laboratory: LaboratoryConfig | None = None
    sweep: dict[str, list] | None = None


class _UniqueKeys(yaml.SafeLoader):
    """A YAML loader that refuses a key given twice."""

    def construct_mapping(self, node, deep=False):
        """As the parent's, after looking for repeated keys."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML file, apply ``a.b=value`` overrides and validate.

    ``${NAME}`` in a string is replaced by the environment variable. Raises
    :class:`ConfigError` listing every mistake with its path, what was expected
    and the nearest valid key.
    """
    path = Path(path)
    try:
        raw = yaml.load(path.read_text(), Loader=_UniqueKeys)  # noqa: S506 (a SafeLoader)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such config; the shipped ones are in configs/") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: not valid YAML: {reason}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected a mapping of keys, found {type(raw).__name__}")
    for override in overrides:
        _override(raw, override)
    return _validated(str(path), raw)


def _validated(where: str, raw: dict) -> Config:
    missing: list[str] = []
    expanded = _expand(raw, missing, "")
    lines = list(missing)
    try:
        config = Config.model_validate(expanded)
    except ValidationError as error:
        lines += [_line(e) for e in error.errors()]
    if lines:
        raise ConfigError("\n".join(f"{where}: {line}" for line in lines))
    return config


def _override(raw: dict, text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(
            f"override {text!r}: expected key=value, such as training.options.steps=100"
        )
    *parents, last = key.split(".")
    node = raw
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"override {text!r}: {parent} is a value and holds no keys")
        node = child
    try:
        node[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"override {text!r}: the value is not valid YAML") from None


def _expand(value, missing: list[str], path: str):
    if isinstance(value, dict):
        return {k: _expand(v, missing, f"{path}.{k}".lstrip(".")) for k, v in value.items()}
    if isinstance(value, list):
        return [_expand(v, missing, f"{path}[{i}]") for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value
    for name in re.findall(r"\$\{(\w+)\}", value):
        if name not in os.environ:
            missing.append(f"{path}: the environment variable {name} is not set")
        value = value.replace("${" + name + "}", os.environ.get(name, ""))
    return value


def _line(error) -> str:
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        valid = sorted(_keys_at(error["loc"][:-1]))
        near = difflib.get_close_matches(str(error["loc"][-1]), valid, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(valid)}"
        return f"{path}: unknown key; {hint}"
    message = error["msg"].removeprefix("Value error, ")
    found = "" if error["type"] == "missing" else f", found {error['input']!r}"
    return f"{path}: {message}{found}"


def _keys_at(location) -> set[str]:
    """The keys allowed where an unknown one was found, following the schema's types."""
    kinds: list = [Config]
    for part in location:
        if isinstance(part, int):  # an item of a list: its type is among the kinds
            continue
        inner: list = []
        for kind in kinds:
            hints = typing.get_type_hints(kind) if isinstance(kind, type) else {}
            if part in hints:
                inner += (hints[part], *typing.get_args(hints[part]))
        kinds = inner or [k for k in kinds if getattr(k, "__name__", "") == part]
    keys: set[str] = set()
    for kind in kinds:
        fields = getattr(kind, "model_fields", None) or getattr(kind, "__dataclass_fields__", {})
        keys |= set(fields)
    return keys


def to_yaml(config: Config) -> str:
    """The resolved configuration, every default written out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def cells(config: Config) -> list[Config]:
    """The cells of a sweep, in order; the config itself where it has none.

    ``sweep`` maps dotted keys to lists; the grid is their product. Each cell
    has a folder of its own below ``output``. Raises :class:`ConfigError`.
    """
    if not config.sweep:
        return [config]
    base = config.model_dump(mode="json") | {"sweep": None}
    out = []
    for values in itertools.product(*config.sweep.values()):
        raw = yaml.safe_load(yaml.safe_dump(base))
        names = []
        for key, value in zip(config.sweep, values, strict=True):
            _override(raw, f"{key}={yaml.safe_dump(value, default_flow_style=True)}")
            names.append(f"{key.rpartition('.')[2]}={value}")
        raw["output"] = str(Path(config.output) / re.sub(r"[^\w=.,+-]", "_", ",".join(names)))
        out.append(_validated("sweep", raw))
    return out
