"""The codec of one model: any datum and any λ to bytes and back.

    codec = rdbound.Codec(checkpoint.model, checkpoint.tables)
    data = codec.encode(image, lmbda=0.0067).data
    image = codec.decode(data).datum

Three guards keep the arithmetic of another machine from giving a wrong image: frequency tables
are integers of the checkpoint, table indexes near a boundary are settled in the stream, and a
checksum over all indexes turns any other difference into an error.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.coding.codecs.base import DatumKind, Decoded, Encoded, PayloadCoder, Sized
from rdbound.coding.codecs.bits_back.hyperprior import HyperpriorBitsBack
from rdbound.coding.codecs.bits_back.lossless import LosslessBitsBack
from rdbound.coding.codecs.bits_back.side_information import SIDE_PARAMETERS
from rdbound.coding.codecs.container import (
    BitstreamError,
    Header,
    read_container,
    write_container,
)
from rdbound.coding.codecs.fingerprint import fingerprint
from rdbound.coding.codecs.image import Images
from rdbound.coding.codecs.level_by_level import LevelByLevel
from rdbound.coding.codecs.limits import MAX_PIXELS, Limits
from rdbound.coding.codecs.lossless import LosslessImages
from rdbound.coding.codecs.vectors import Vectors
from rdbound.coding.coders.base import Coder
from rdbound.coding.coders.bits_back import BitsBackCoder
from rdbound.coding.coders.registry import CODERS, coders_of, make_coder
from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.coding.entropy.model_tables import make_tables
from rdbound.models.base import LatentModel, VariationalParameters, is_lossless

__all__ = ["Codec", "datum_kind"]


def datum_kind(model: LatentModel) -> DatumKind:
    """Return the kind of datum that a model codes: vectors, lossless images or images.

    Args:
      model: the model; its weights are copied.
    """
    if model.stride == 1:
        return Vectors(model)
    return LosslessImages(model) if is_lossless(model) else Images(model)


class Codec:
    """Encode and decode data with one model.

    A datum is what the model is of: a uint8 image [h, w, 3] of any size from 1×1 up, or a block
    of float32 vectors [count, n]. An image is padded by edge replication to multiples of the
    model's stride; the padding is coded with it and cut off again. With a lossless model
    (``lossless = True``) the decoded image is the image itself. One codec serves every size and
    every λ of its model. A decoder needs the same checkpoint, which the fingerprint in the file
    identifies, and nothing else: size, λ and coder are in the file.

    Args:
      model: a latent model. Its weights are copied.
      tables: the tables of its checkpoint; None makes them from the model. Tables made on
        another machine may differ, and with them the fingerprint: pass the checkpoint's.
      coder: name of the coder that writes, in :data:`CODERS`; by default the first that serves
        models of this form, and ``bits-back`` for lossless models. Files are read by the coder
        that they name.
      max_pixels: limit on the pixels of an image with its padding (the numbers of a block of
        vectors), in encoding and decoding; None for no limit.
      options: the coder's options.

    Attributes:
      tables: the integer tables in use.
      coder: the coder that writes.
      fingerprint: 8 bytes that identify the model in files.
      lmbda_range: the λ that the model serves, (low, high).

    Raises:
      ValueError: for an unknown coder or option, or a coder that does not serve the model.
    """

    def __init__(
        self,
        model: LatentModel,
        tables: Tables | None = None,
        coder: str | None = None,
        max_pixels: int | None = MAX_PIXELS,
        **options: Any,
    ):
        if tables is None:
            tables = make_tables(model) if model.form == "codec" else {}
        self.tables = tables
        # A later change of the model must not change what is decoded.
        self._model: Any = nnx.clone(model)
        default = BitsBackCoder.name if is_lossless(model) else coders_of(model.form)[0]
        name = default if coder is None else coder
        self.coder = make_coder(name, model.form, self.tables, **options)
        self._payload_coder = self._payload_coder_of(self.coder)
        self.fingerprint = fingerprint(model, self.tables)
        self.lmbda_range = model.lmbda_range
        self._kind = datum_kind(self._model)
        self._limits = Limits(model.lmbda_range, self._kind.padded, max_pixels)

    def encode(
        self,
        datum: np.ndarray,
        lmbda: float | None = None,
        variational: VariationalParameters | None = None,
        side: bytes | None = None,
    ) -> Encoded:
        """Return the file of a datum.

        Args:
          datum: a uint8 image [h, w, 3], or float32 vectors [count, n].
          lmbda: λ; the geometric middle of the model's range by default.
          variational: refined variational parameters of the padded datum at this λ
            (:mod:`rdbound.optimization.refinement`); by default those that the model infers.
          side: side information that the coder ``bits-back`` encodes with the datum, any bytes.
            By default pseudo-random bytes, as many as the latents can take, so that the rate
            (without ``side_bytes``) holds no initial bits; ``b""`` gives the shortest file.
            Other coders take none.

        Raises:
          ValueError: for an array of another type or shape, too many pixels, a λ outside the
            model's range, a latent that is not finite, or side information that the coder does
            not take.
        """
        size = self._kind.size(datum)
        rate = self._limits.lmbda(lmbda)
        self._limits.check_size(size)
        at = Sized(self._kind, size, jnp.float32(rate))
        payload = self._payload_coder.encode(at, datum, variational, side)
        header = Header(
            self.fingerprint,
            payload.index_crc,
            rate,
            *size,
            self.coder.code,
            dict(payload.parameters),
        )
        data = write_container(header, payload.data)
        return Encoded(data, payload.side_bytes, payload.filled_bits, payload.drawn_bits)

    def decode(self, data: bytes) -> Decoded:
        """Return the datum of a file, and the side information that was encoded with it.

        The latents are exactly those that were written, or an error is raised. The synthesis is
        floating point: on another machine a pixel whose value lies on a rounding boundary may
        differ by one level. Vectors are neither clipped nor rounded.

        Raises:
          BitstreamError: if the file is damaged, not of this model, declares more than
            ``max_pixels``, or cannot be read with this machine's arithmetic.
        """
        header, payload = read_container(bytes(data), self.fingerprint)
        with self._limits.met_by(header):
            at = Sized(self._kind, (header.height, header.width), jnp.float32(header.lmbda))
            _ = at.shapes
        return self._reader_of(header).decode(at, header, payload)

    def _payload_coder_of(self, coder: Coder | BitsBackCoder) -> PayloadCoder:
        """Return the payload coder that runs a coder on this model."""
        if isinstance(coder, Coder):
            return LevelByLevel(coder)
        if is_lossless(self._model):
            return LosslessBitsBack(coder)
        return HyperpriorBitsBack(coder, self._model)

    def _reader_of(self, header: Header) -> PayloadCoder:
        """Return the payload coder that a container names, whatever this codec writes with."""
        names = {coder.code: name for name, coder in CODERS.items()}
        if header.coder not in names:
            raise BitstreamError(f"written by coder {header.coder}, which this rdbound lacks")
        name = names[header.coder]
        options = {
            key: value
            for key, value in header.parameters.items()
            if name != BitsBackCoder.name or key not in SIDE_PARAMETERS
        }
        try:
            coder = make_coder(name, self._model.form, self.tables, **options)
            return self._payload_coder_of(coder)
        except ValueError as error:
            raise BitstreamError(f"malformed header: {error}") from None
