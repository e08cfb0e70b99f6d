"""The codec of images: any size and any λ of one model to bytes and back.

    codec = Codec(checkpoint.model, checkpoint.tables)
    data = codec.compress(image, lmbda=0.0067)
    image = codec.decompress(data)

What images need beside the walk over levels of :mod:`rdbound.coding.codecs.base`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rdbound.coding.codecs.base import LevelCodec
from rdbound.coding.codecs.compiled_model import CompiledModel
from rdbound.coding.codecs.errors import as_image
from rdbound.coding.codecs.limits import MAX_PIXELS, check_image
from rdbound.coding.codecs.padded_model import in_frames
from rdbound.coding.codecs.tiling import Windows, is_large
from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.models.base import LatentModel, LevelModel, VariationalParameters
from rdbound.objective.datum import image_datum, padded_shape
from rdbound.objective.levels import latent_shapes

__all__ = ["Codec"]


class Codec(LevelCodec):
    """Compress and decompress images with one model.

    An image of any size from 1×1 up is padded by edge replication to multiples of the
    model's stride; the padding is coded with it and cut off again. One codec serves
    every size and every λ of its model: images of many sizes share programs
    (:mod:`rdbound.coding.codecs.padded_model`), and a large one is computed by windows
    (:mod:`rdbound.coding.codecs.tiling`).
    A decoder needs the same checkpoint, known by its fingerprint, and nothing else:
    size, λ and coder stand in the container.

    A scale of a prior chooses its table; a density a channel has its own, at
    any level, if it depends on nothing.

    Args:
      model: a latent model of images. Its weights are taken now.
      tables: from its checkpoint; made from the model where None. Tables made anew
        on another machine may differ, and with them the fingerprint: give the checkpoint's.
      coder: name of the coder that writes, in :data:`CODERS`, the first that serves the
        model's form where None; reading takes the one that the container names.
      max_pixels: of an image with its padding, to write or to read; None for no limit.
      options: of the coder.

    Attributes:
      tables: the integer tables in use.
      fingerprint: 8 bytes that streams of this model carry.
      lmbda_range: the λ that may be asked for.
      stride: of the model.
      windows: its sides for images of any size.

    Raises ValueError for an unknown coder or option, or a coder of models of another form.
    """

    def __init__(
        self,
        model: LatentModel,
        tables: Tables | None = None,
        coder: str | None = None,
        max_pixels: int | None = MAX_PIXELS,
        **options: Any,
    ):
        super().__init__(model, tables, coder, max_pixels, **options)
        self.stride = model.stride
        self._compiled = CompiledModel(model)
        self.windows = Windows(model, self._compiled)

    def compress(
        self,
        image: np.ndarray,
        lmbda: float | None = None,
        variational: VariationalParameters | None = None,
    ) -> bytes:
        """uint8 [h, w, 3] → the whole container.

        Args:
          image: any size from 1×1 up.
          lmbda: the trade-off; the geometric middle of the model's range by default.
          variational: refined (:mod:`rdbound.optimization.refinement`), of the padded image and of
            this λ; what the model infers by default. The decoder does not notice.

        Raises ValueError for another array type, too many pixels, a λ outside the trained
        range, or a latent that is not finite.
        """
        check_image(image)
        lmbda = self._limits.lmbda(lmbda)
        self._limits.check_size(image.shape[:2])
        datum = image_datum(image, self.stride)
        return self._encode(image.shape[:2], datum.x, lmbda, variational)

    def decompress(self, data: bytes) -> np.ndarray:
        """The container → uint8 [h, w, 3].

        The symbols are exactly those written, or an error is raised. The
        synthesis from them is floating point: on another machine a pixel whose
        value falls on a rounding boundary may differ by one level. Raises
        :class:`BitstreamError` where the stream is not whole, not this model's, declares
        more than ``max_pixels``, or this machine's arithmetic is too different to read it.
        """
        header, x_hat = self._decode(data)
        return as_image(header, x_hat)

    def _sides(self, height: int, width: int) -> LevelModel:
        size = self._padded(height, width)
        if is_large(*size):
            return self.windows.sides(*size)
        return in_frames(self._model, self._compiled, size)

    def _latent_shapes(self, height: int, width: int) -> Sequence[tuple[int, ...]]:
        return latent_shapes(self._model, (*self._padded(height, width), 3))

    def _padded(self, height: int, width: int) -> tuple[int, int]:
        return padded_shape(height, width, self.stride)
