"""The codec: an image to bytes and back, with a latent model of form ``codec``."""

import zlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rdbound.channels import RoundingChannel
from rdbound.coding.container import BitstreamError, Header, read_container, write_container
from rdbound.coding.guard import read_indexes, write_indexes
from rdbound.coding.range_coder import LARGEST, Reader, UnreadableError, Writer
from rdbound.coding.tables import Table, gaussian_tables, mixture_tables
from rdbound.fingerprint import fingerprint
from rdbound.models.base import LatentModel, check_lmbda
from rdbound.objective import amortized
from rdbound.ops.distributions import Gaussian, Mixture, Prior
from rdbound.sources.base import Datum
from rdbound.sources.images import padded_shape, to_datum

__all__ = ["Codec", "Tables", "make_tables"]

Tables = dict[str, list[Table]]
"""``gaussian``: the tables of scales; ``factorized``: one table a channel of level 0."""


def make_tables(model: LatentModel) -> Tables:
    """The integer tables of a codec. They belong to its checkpoint."""
    tables = {"gaussian": gaussian_tables()}
    top = model.prior(0, (), jnp.float32(model.lmbda_range[0]))
    if isinstance(top, Mixture):
        tables["factorized"] = mixture_tables(top)
    return tables


class Codec:
    """Compress and decompress images with one model.

    A level whose prior is Gaussian is coded with tables chosen by its scale;
    a mixture is allowed at level 0 only, where it depends on nothing.

    Args:
      model: a latent model of images, of form ``codec``.
      tables: from its checkpoint; made from the model where None.

    Raises ValueError for a model of form ``bound``.
    """

    def __init__(self, model: LatentModel, tables: Tables | None = None):
        if model.form != "codec":
            raise ValueError(
                "this checkpoint is a bound: its analog latents cannot be written; "
                "give a checkpoint of form 'codec'"
            )
        self.tables = make_tables(model) if tables is None else tables
        self.fingerprint = fingerprint(model, self.tables)
        self.lmbda_range = model.lmbda_range
        self.stride = model.stride
        graphdef, self._params = nnx.split(model)
        self._infer = _compiled(graphdef, _posteriors)
        self._prior = _compiled(graphdef, _prior, static_argnums=1)
        self._synthesize = _compiled(graphdef, _image)

    def compress(
        self,
        image: np.ndarray,
        lmbda: float | None = None,
        posteriors: Sequence[Gaussian] | None = None,
    ) -> bytes:
        """uint8 [h, w, 3] → the whole container.

        Args:
          image: any size from 1×1 up.
          lmbda: the trade-off; the geometric middle of the model's range by default.
          posteriors: refined ones; the model's own by default.

        Raises ValueError for another array type, or a λ outside the trained range.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f"expected a uint8 image [h, w, 3], not {image.dtype} {image.shape}")
        low, high = self.lmbda_range
        lmbda = (low * high) ** 0.5 if lmbda is None else check_lmbda(lmbda, self.lmbda_range)
        rate = np.float32(lmbda)
        datum = to_datum(image, self.stride)
        if posteriors is None:
            posteriors = self._infer(self._params, datum, rate)
        writer, crc = Writer(), 0
        latents: tuple[np.ndarray, ...] = ()
        for level, posterior in enumerate(posteriors):
            prior = _numpy(self._prior(self._params, level, latents, rate))
            residual = _integers(np.asarray(posterior.mu) - prior.centre)
            groups, tables, crc = self._groups(prior, residual.shape, crc, writer)
            writer.symbols(residual.ravel(), groups, tables)
            latents = (*latents, residual.astype(np.float32) + prior.centre)
        header = Header(self.fingerprint, crc, float(rate), *image.shape[:2])
        return write_container(header, writer.finish())

    def decompress(self, data: bytes) -> np.ndarray:
        """The container → uint8 [h, w, 3].

        The symbols are exactly those written, or an error is raised. The
        synthesis from them is floating point: on another machine a pixel whose
        value falls on a rounding boundary may differ by one level. Raises
        :class:`BitstreamError` where the stream is not whole, not this model's,
        or this machine's arithmetic is too different to read it.
        """
        header, payload = read_container(bytes(data), self.fingerprint)
        try:
            latents = self._read(Reader(payload), header)
        except BaseException as error:
            # The range coder reports what it cannot decode by an assertion, or
            # by a panic, which is not a subclass of Exception. The payload's
            # checksum was right: what differs is the arithmetic.
            lost = isinstance(error, AssertionError | UnreadableError)
            if lost or type(error).__name__ == "PanicException":
                raise BitstreamError(_OTHER_ARITHMETIC) from None
            raise
        x_hat = np.asarray(self._synthesize(self._params, latents, np.float32(header.lmbda)))
        image = np.rint(np.clip(x_hat, 0.0, 1.0) * 255.0).astype(np.uint8)
        return image[: header.height, : header.width]

    def _read(self, reader: Reader, header: Header):
        rate = np.float32(header.lmbda)
        latents: tuple[np.ndarray, ...] = ()
        crc = 0
        for level, shape in enumerate(self._shapes(header.height, header.width)):
            prior = _numpy(self._prior(self._params, level, latents, rate))
            groups, tables, crc = self._groups(prior, shape, crc, reader)
            residual = reader.symbols(groups, tables).reshape(shape)
            latents = (*latents, residual.astype(np.float32) + prior.centre)
        if crc != header.index_crc or not reader.exhausted():
            raise BitstreamError(_OTHER_ARITHMETIC)
        return latents

    def _groups(self, prior: Prior, shape, crc: int, stream: Writer | Reader):
        """(table number of each symbol [n], the tables, the running CRC of the indexes)."""
        if isinstance(prior, Mixture):
            channels = np.broadcast_to(np.arange(shape[-1], dtype=np.uint16), shape)
            return channels.ravel(), self.tables["factorized"], crc
        log_sigma = np.broadcast_to(prior.log_sigma, shape).ravel()
        if isinstance(stream, Writer):
            index = write_indexes(stream, log_sigma)
        else:
            index = read_indexes(stream, log_sigma)
        return index, self.tables["gaussian"], zlib.crc32(index.tobytes(), crc)

    def _shapes(self, height: int, width: int):
        """The shape of each level's latent for an image of this size."""
        padded = (*padded_shape(height, width, self.stride), 3)
        shapes = jax.eval_shape(
            self._infer, self._params, Datum(_float(padded), _float((*padded[:2], 1))), _float(())
        )
        return [posterior.mu.shape for posterior in shapes]


_OTHER_ARITHMETIC = (
    "the stream is whole, but this machine's arithmetic differs from the encoder's by more than "
    "the guard band (the table indexes do not match); decode in float32 on a CPU"
)


def _float(shape) -> Any:
    return jax.ShapeDtypeStruct(shape, np.float32)


def _numpy(prior: Prior) -> Prior:
    return jax.tree.map(np.asarray, prior)


def _integers(residual: np.ndarray) -> np.ndarray:
    if not np.isfinite(residual).all() or np.abs(residual).max(initial=0.0) >= LARGEST:
        raise ValueError("a latent is not finite or larger than 2^30: the model cannot code this")
    return np.rint(residual).astype(np.int32)


def _compiled(graphdef, side, **options):
    """``side(model, …)`` as a compiled function of (params, …) in full float32 precision."""

    def call(params, *arguments):
        with jax.default_matmul_precision("highest"):
            return side(nnx.merge(graphdef, params), *arguments)

    return jax.jit(call, **options)


def _posteriors(model, datum, lmbda):
    return amortized(model, RoundingChannel(), datum, jax.random.key(0), lmbda)


def _prior(model, level, latents, lmbda):
    return model.prior(level, latents, lmbda)


def _image(model, latents, lmbda):
    return model.synthesize(latents, lmbda)
