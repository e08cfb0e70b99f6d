"""Lossy bits-back coding: hyperlatents are drawn from side information, which comes back.

    codec = Codec(checkpoint.model, checkpoint.tables, "bits-back")
    data = codec.encode(image, lmbda=0.0067, side=other).data   # any bytes
    image, other = codec.decode(data)

Algorithm 1 of Yang, Bamler & Mandt 2020 (arXiv 2006.04240). Of a model with two levels,
z and then y, the encoder rounds y to integers ŷ, infers Q(z | ŷ), and *decodes* ẑ from the side
information by Q; then it encodes ŷ under P(ŷ | ẑ) and ẑ under P(ẑ). The decoder reads ẑ and
ŷ, infers the same Q and encodes ẑ by it: that gives the side information back. An image costs
the file less the side information; if there is too little of that, bits of a known generator
fill up, and are paid for.

This is no loop of coders of single levels, since the decoder infers from a later latent the
distribution that an earlier one was drawn by.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from rdbound.coding.codecs.base import Decoded, Payload, PayloadCoder, Sized
from rdbound.coding.codecs.bits_back.reproducible_inference import inferred
from rdbound.coding.codecs.bits_back.side_information import (
    own_side,
    side_parameters,
    side_payload,
    side_stack,
    split,
    without_filling,
)
from rdbound.coding.codecs.bits_back.two_level_stack import TwoLevels
from rdbound.coding.codecs.compiled_model import compiled
from rdbound.coding.codecs.container import BitstreamError, Header
from rdbound.coding.codecs.errors import check_read, unless_lost
from rdbound.coding.codecs.image import as_image
from rdbound.coding.coders.bits_back import BitsBackCoder
from rdbound.coding.entropy.ans_stack import BitStack
from rdbound.coding.entropy.dithered_tables import ScaledBins
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.coding.entropy.scale_table import SCALES
from rdbound.models.base import LevelModel, VariationalParameters
from rdbound.objective.levels import latent_shapes
from rdbound.ops.distributions import Gaussian, Mixture

__all__ = ["HyperpriorBitsBack"]

_STEPS = 300  # of inference, by default


class HyperpriorBitsBack(PayloadCoder):
    """Encode an image and side information together, and get both back.

    Args:
      coder: the options.
      model: a model of images with two levels: z with a density for each channel, y Gaussian
        given z. Its weights must not change.

    Raises:
      ValueError: for another model.
    """

    def __init__(self, coder: BitsBackCoder, model: Any):
        self._steps = _STEPS if coder.steps is None else coder.steps
        self._model, self._compiled = model, compiled(model)
        _check_model(model, self._compiled)
        self._boxes = ScaledBins(Gaussian.standard_mass, SCALES)

    def encode(
        self,
        at: Sized,
        datum: np.ndarray,
        variational: VariationalParameters | None,
        side: bytes | None,
    ) -> Payload:
        """See :meth:`PayloadCoder.encode`; of the variational parameters only y's are used."""
        if variational is None:
            variational = self._compiled.infer(at.kind.array(datum), at.lmbda)
        writer = Writer()
        levels = TwoLevels(self._compiled, self._boxes, at, writer)
        y = levels.rounded(variational)
        inference = inferred(self._model, y, levels.shapes[0], at.lmbda, self._steps)
        if not all(np.isfinite(leaf).all() for leaf in inference):
            raise ValueError("the posterior of z is not finite: the model cannot code this")
        q = levels.placed(inference)
        side = own_side(len(q.groups)) if side is None else side
        drawn: list[np.ndarray] = []
        known = side_stack(
            side, len(q.groups), lambda stack: drawn.append(stack.pop(q.groups, q.tables))
        )
        levels.push_y_and_z(known.stack, q.values(drawn[-1]), y)
        levels.posterior(inference)
        return side_payload(writer, known, side, {"steps": self._steps})

    def decode(self, at: Sized, header: Header, payload: bytes) -> Decoded:
        """See :meth:`PayloadCoder.decode`."""
        length, filled = side_parameters(header)
        if header.parameters.get("steps") != self._steps:
            raise BitstreamError("malformed header: bits-back without its steps of inference")
        text, words = split(payload)
        reader = Reader(text)
        levels = TwoLevels(self._compiled, self._boxes, at, reader)

        def read() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            stack = BitStack(words)
            z = levels.pop_z(stack)
            y = levels.pop_y(stack, z)
            inference = inferred(self._model, y, levels.shapes[0], at.lmbda, self._steps)
            q = levels.posterior(inference)
            stack.push(q.offsets(z), q.groups, q.tables)
            return y, z, stack.original()

        y, z, original = unless_lost(read)
        check_read(reader, header)
        side = without_filling(original, filled, length)
        x_hat = self._compiled.synthesize(levels.state(z, y))
        return Decoded(as_image(at.size, x_hat), side)


def _check_model(model: Any, level_model: LevelModel) -> None:
    shapes = latent_shapes(model, (model.stride, model.stride, 3)) if model.stride > 1 else []
    start = level_model.start(jnp.float32(model.lmbda_range[0]))
    prior = level_model.prior(0, start) if len(shapes) == 2 else None
    if not isinstance(prior, Mixture):
        raise ValueError(
            "the coder 'bits-back' serves codecs of images with two levels, the first with a "
            "density a channel, such as res-hyper-4-codec; the coder 'rounding' serves any codec"
        )
