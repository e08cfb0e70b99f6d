"""What evaluation computes of data: variational parameters, J over fresh samples of a channel,
quality.
"""

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
from rdbound.ops.image_quality import MS_SSIM_SMALLEST, ms_ssim

__all__ = ["Judged", "OverData", "infer", "ms_ssim_of", "standard_error"]


@dataclass(frozen=True)
class Judged:
    """(a model or its sides, one datum, variational parameters, key, λ) → its terms through one
    channel.

    Attributes:
      channel: that J is of.
      decode: the decoder's last step.
      samples: fresh ones of the channel.
      distortion: of the model.
      keeps: the reconstructions, [samples, H, W, 3]; of vectors none is kept.
    """

    channel: Channel
    decode: Callable[[jax.Array], jax.Array]
    samples: int
    distortion: Distortion
    keeps: bool

    def __call__(
        self,
        of: Any,
        datum: Datum,
        variational: VariationalParameters,
        key: Any,
        lmbda: Any,
        extent: Extent | None = None,
    ) -> Any:
        """({name: [samples]} of J, bpp, distortion and mse; reconstructions)."""
        one = lambda key: self._sample(of, datum, variational, key, lmbda, extent)  # noqa: E731
        return jax.lax.map(one, jax.random.split(key, self.samples))

    def one_by_one(
        self, of: LevelModel, datum: Datum, variational: VariationalParameters, key: Any, lmbda: Any
    ) -> Iterator[Any]:
        """The same a sample at a time, of sides that are not to be traced."""
        for own in jax.random.split(key, self.samples):
            yield self._sample(of, datum, variational, own, lmbda)

    def _sample(
        self,
        of: Any,
        datum: Datum,
        variational: VariationalParameters,
        key: Any,
        lmbda: Any,
        extent: Extent | None = None,
    ) -> Any:
        found = objective(
            of, self.channel, datum, key, lmbda, variational, self.decode, self.distortion, extent
        )
        values = {name: getattr(found, name) for name in ("J", "bpp", "distortion")}
        values["mse"] = SquaredError()(datum, found.x_hat)
        return values, found.x_hat if self.keeps else ()


@dataclass(frozen=True)
class OverData:
    """A function of a model and one datum, over [examples, members].

    In full precision, so that a codec rounds here as it will when it writes.

    Attributes:
      graphdef: of the model.
      one: (model, datum, …) → anything, with a keyword ``extent`` if ``framed``.
      framed: whether data may be images in a larger array
        (:func:`rdbound.objective.datum.in_frame`).
    """

    graphdef: nnx.GraphDef
    one: Callable
    framed: bool = False

    def __call__(self, params: Any, data: Datum, *arguments: Any) -> Any:
        """Of the weights ``params``; every other argument with two leading axes."""
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
    """Of the mean of J [members, samples]: over members where there are several.

    Samples of one member share its datum, so that only members are independent draws.
    """
    values = J.mean(1) if len(J) > 1 else J[0]
    return float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else None


def ms_ssim_of(image: np.ndarray, reconstructions: Any) -> float | None:
    """Mean MS-SSIM of reconstructions [samples, H, W, 3]; None for images too small for it."""
    h, w = image.shape[:2]
    if min(h, w) < MS_SSIM_SMALLEST:
        return None
    x = image.astype(np.float32) / 255.0
    return float(np.mean([ms_ssim(x, np.asarray(y)[:h, :w]) for y in reconstructions]))
