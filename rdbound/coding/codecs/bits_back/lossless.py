"""Lossless bits-back coding: all latents are drawn from side information, which comes back.

After HiLLoC (Townsend et al. 2020, arXiv 1912.09953). An image that is the side information of
the next one's file pays for its initial bits once for all of them:

    codec = Codec(checkpoint.model)
    data = codec.encode(first, side=b"").data
    data = codec.encode(second, side=data).data
"""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from rdbound.coding.codecs.base import Decoded, Payload, PayloadCoder, Sized
from rdbound.coding.codecs.bits_back.side_information import (
    own_side,
    side_parameters,
    side_payload,
    side_stack,
    split,
    without_filling,
)
from rdbound.coding.codecs.container import Header
from rdbound.coding.codecs.errors import check_read, unless_lost
from rdbound.coding.codecs.lossless import pixel_distribution
from rdbound.coding.coders.bits_back import BitsBackCoder
from rdbound.coding.entropy.ans_stack import BitStack
from rdbound.coding.entropy.discretized_gaussian import WIDTH, DiscretizedGaussian
from rdbound.coding.entropy.pixel_coder import pop_levels, push_levels
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.models.base import VariationalParameters

__all__ = ["LosslessBitsBack"]


class LosslessBitsBack(PayloadCoder):
    """Encode an image and side information together; both come back exactly.

    The encoder draws the latents of every level from the side information by their posteriors,
    pushes the pixels given them, and the latents by their priors. The decoder pops all
    that, infers the same posteriors from the image and pushes the latents by them. Posteriors and
    priors are Gaussian.

    Args:
      coder: the options.

    Raises:
      ValueError: for options of lossy bits-back.
    """

    def __init__(self, coder: BitsBackCoder):
        if coder.steps is not None:
            raise ValueError("coder 'bits-back': a lossless model takes no option 'steps'")

    def encode(
        self,
        at: Sized,
        datum: np.ndarray,
        variational: VariationalParameters | None,
        side: bytes | None,
    ) -> Payload:
        """See :meth:`PayloadCoder.encode`; the decoder could not infer refined parameters."""
        if variational is not None:
            raise ValueError(
                "bits-back infers from the image alone: it takes no refined variational parameters"
            )
        levels = _Levels(at)
        side = own_side(levels.latents) if side is None else side
        drawn = _Drawn(levels, datum)
        known = side_stack(side, levels.latents, drawn.draw)
        writer = Writer()
        drawn.write(datum, known.stack, writer)
        return side_payload(writer, known, side, {})

    def decode(self, at: Sized, header: Header, payload: bytes) -> Decoded:
        """See :meth:`PayloadCoder.decode`."""
        length, filled = side_parameters(header)
        text, words = split(payload)
        reader = Reader(text)
        levels = _Levels(at)
        image, original = unless_lost(lambda: levels.read(BitStack(words), reader))
        check_read(reader, header)
        return Decoded(image, without_filling(original, filled, length))


class _Levels:
    """Priors, posteriors and states of images of one size, on the grids of bits-back."""

    def __init__(self, at: Sized):
        self.at = at
        self.latents = sum(math.prod(shape) for shape in at.shapes)

    def prior(self, level: int, state: Any, stream: Writer | Reader) -> DiscretizedGaussian:
        """Return the prior of a level, its indexes settled in the stream."""
        return DiscretizedGaussian.of(
            self.at.model.prior(level, state), self.at.shapes[level], stream
        )

    def posterior(
        self,
        level: int,
        state: Any,
        variational: VariationalParameters,
        stream: Writer | Reader | None = None,
    ) -> DiscretizedGaussian:
        """Return the posterior of a level, its indexes settled in the stream if there is one."""
        posterior = self.at.model.posterior(level, state, variational[level])
        return DiscretizedGaussian.of(posterior, self.at.shapes[level], stream)

    def after(self, level: int, state: Any, boxes: np.ndarray) -> Any:
        """Return the state after the latent of a level, given by its boxes."""
        latent = boxes.reshape(self.at.shapes[level]) * WIDTH
        return self.at.model.absorb(level, state, jnp.asarray(latent, jnp.float32))

    def read(self, stack: BitStack, stream: Reader) -> tuple[np.ndarray, np.ndarray]:
        """Return the image, and the words that its latents were drawn from."""
        levels = range(len(self.at.shapes))
        states, drawn = [self.at.model.start(self.at.lmbda)], []
        for level in levels:
            drawn.append(self.prior(level, states[-1], stream).pop(stack, stream))
            states.append(self.after(level, states[-1], drawn[-1]))
        pixels = pixel_distribution(self.at.model, states[-1])
        image = pop_levels(pixels, self.at.size, stack, stream)
        variational = self.at.infer(image)
        by = [self.posterior(level, states[level], variational, stream) for level in levels]
        for level in reversed(levels):
            by[level].push(stack, drawn[level])
        return image, stack.original()


class _Drawn:
    """The latents of one image: drawn from a stack, then pushed and written."""

    def __init__(self, levels: _Levels, image: np.ndarray):
        self.levels, self._variational = levels, levels.at.infer(image)
        self._states = [levels.at.model.start(levels.at.lmbda)]
        self._by: list[DiscretizedGaussian] = []
        self._boxes: list[np.ndarray] = []

    def draw(self, stack: BitStack) -> None:
        """Pop the latents; a later call finds the same words on top and pops the same."""
        for level, by in enumerate(self._by):
            assert np.array_equal(by.pop(stack), self._boxes[level])
        for level in range(len(self._by), len(self.levels.at.shapes)):
            by = self.levels.posterior(level, self._states[level], self._variational)
            boxes = by.pop(stack)
            self._by.append(by)
            self._boxes.append(boxes)
            self._states.append(self.levels.after(level, self._states[level], boxes))

    def write(self, image: np.ndarray, stack: BitStack, stream: Writer) -> None:
        """Push the image and the latents; write the guard lists in the decoder's order."""
        priors = []
        for level, boxes in enumerate(self._boxes):
            priors.append(self.levels.prior(level, self._states[level], stream))
            priors[-1].write_excess(stream, boxes)
        pixels = pixel_distribution(self.levels.at.model, self._states[-1])
        push_levels(pixels, image, stack, stream)
        for prior, boxes in reversed(list(zip(priors, self._boxes, strict=True))):
            prior.push(stack, boxes)
        for level in range(len(self._boxes)):
            self.levels.posterior(level, self._states[level], self._variational, stream)
