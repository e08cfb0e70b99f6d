"""Compiled parts of an evaluation: inference, and J over fresh samples of a channel."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from flax import nnx

from rdbound.channels import Channel
from rdbound.models.base import LatentModel, LevelModel, VariationalParameters, with_extent
from rdbound.objective.datum import Datum, extent
from rdbound.objective.distortion import Distortion, SquaredError
from rdbound.objective.objective import objective
from rdbound.ops.extent_mask import Extent

__all__ = ["OverData", "SampledObjective", "infer", "standard_error"]


@dataclass(frozen=True)
class SampledObjective:
    """J and its parts over fresh samples of one channel, for one datum.

    Attributes:
      channel: the evaluation channel.
      decode: the decoder's last step.
      samples: number of fresh samples.
      distortion: the model's distortion.
      keeps: whether reconstructions are returned.
    """

    channel: Channel
    decode: Callable[[jax.Array], jax.Array]
    samples: int
    distortion: Distortion
    keeps: bool

    def __call__(
        self,
        model: Any,
        datum: Datum,
        variational: VariationalParameters,
        key: jax.Array,
        lmbda: jax.Array,
        extent: Extent | None = None,
    ) -> tuple[dict[str, jax.Array], Any]:
        """Return J, bpp, distortion and mse, [samples] each, and reconstructions if kept."""
        return jax.lax.map(
            lambda key: self._sample(model, datum, variational, key, lmbda, extent),
            jax.random.split(key, self.samples),
        )

    def one_by_one(
        self,
        model: LevelModel,
        datum: Datum,
        variational: VariationalParameters,
        key: jax.Array,
        lmbda: jax.Array,
    ) -> Iterator[tuple[dict[str, jax.Array], Any]]:
        """Yield the same for one sample at a time, by a model that is not to be traced."""
        for own in jax.random.split(key, self.samples):
            yield self._sample(model, datum, variational, own, lmbda, None)

    def _sample(
        self, model, datum, variational, key, lmbda, extent
    ) -> tuple[dict[str, jax.Array], Any]:
        found = objective(
            model,
            self.channel,
            datum,
            key,
            lmbda,
            variational,
            self.decode,
            self.distortion,
            extent,
        )
        values = {name: getattr(found, name) for name in ("J", "bpp", "distortion")}
        values["mse"] = SquaredError()(datum, found.x_hat)
        return values, found.x_hat if self.keeps else ()


@dataclass(frozen=True)
class OverData:
    """A function of a model and one datum, over the axes [examples, members].

    In full precision, so that a codec rounds here as it will when it encodes.

    Attributes:
      graphdef: the model's structure.
      one: a function (model, datum, …) → anything, with a keyword ``extent`` if ``framed``.
      framed: whether data may be images in a larger array
        (:func:`rdbound.objective.datum.in_frame`).
    """

    graphdef: nnx.GraphDef
    one: Callable
    framed: bool = False

    def __call__(self, params: Any, data: Datum, *arguments: Any) -> Any:
        """Call the function for the weights ``params``; all else has two leading axes."""
        model = nnx.merge(self.graphdef, params)

        def of(datum: Datum, *rest: Any) -> Any:
            if self.framed:
                return self.one(model, datum, *rest, extent=extent(datum, model.stride))
            return self.one(model, datum, *rest)

        with jax.default_matmul_precision("highest"):
            return jax.vmap(jax.vmap(of))(data, *arguments)


def infer(
    model: LatentModel, datum: Datum, lmbda: jax.Array, extent: Extent | None = None
) -> VariationalParameters:
    """Return the amortized variational parameters of one datum."""
    return with_extent(model.infer, datum.x, lmbda, extent)


def standard_error(J: np.ndarray) -> float | None:
    """Return the standard error of the mean of J [members, samples].

    It is taken over members if there are several: samples of one member share its datum, so
    that only members are independent draws. None for a single value.
    """
    values = J.mean(1) if len(J) > 1 else J[0]
    return float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else None
