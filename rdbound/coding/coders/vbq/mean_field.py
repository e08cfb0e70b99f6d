"""Arrays of a mean-field posterior as bytes: variational Bayesian quantization of models.

    data = compress_posterior(means, scales, penalty=0.7, rounds=5)
    values = decompress_posterior(data)

Weights of a Bayesian neural network, the vectors of a word embedding: whatever has a mean and a
scale for each number. The prior is N(m, s²) with the mean and the variance of all
the posterior's means (Yang, Bamler & Mandt 2020, section 4.2); it and the frequencies of the code
points are in the bytes, so that nothing else is needed to read them. An entropy coder does not
write a point's bits: ``rounds`` choose the points again by what their codes cost,
entropy-constrained quantization (Chou, Lookabaugh & Gray 1989). A reader does not notice.
"""

import math
import struct
import zlib
from functools import partial

import numpy as np
from scipy.special import ndtr, ndtri

from rdbound.coding.codecs.container import BitstreamError
from rdbound.coding.coders.vbq.coder import code_lengths
from rdbound.coding.coders.vbq.symbols import read_points, write_points
from rdbound.coding.entropy.frequency_tables import COARSE, coarse_counts, table_from_coarse
from rdbound.coding.entropy.range_coder import Reader, Writer, is_lost
from rdbound.ops.code_points import SYMBOLS, CodePoints, nearest_points, symbols_of
from rdbound.ops.gaussian import LN2

__all__ = ["MAX_VALUES", "compress_posterior", "decompress_posterior", "quantized_posterior"]

MAX_VALUES = 2**25
"""Values that are read by default: a stream of a hundred bytes can declare any number."""

_MAGIC = b"RDV\x01"
_HEAD = struct.Struct("<Iff")
_DIMENSIONS, _SIDE = 8, 2**31
_MOST = 2**31


def compress_posterior(
    means: np.ndarray, scales: np.ndarray, penalty: float = LN2, rounds: int = 0
) -> bytes:
    """Code points near the means, as near as the scales ask for.

    Args:
      means: of the posterior, any shape.
      scales: its standard deviations, positive, of the same shape.
      penalty: nats of the posterior's log-density that a bit must save.
      rounds: of choosing again by the codes that the round before led to; 0 chooses by the
        points' bits, as the paper does.

    Raises ValueError for shapes that differ, nothing to code, and what is not finite.
    """
    prior, points = _chosen(means, scales, penalty, rounds)
    coarse = _coarse(points)
    stream = Writer()
    stream.integer(np.ndim(means), _DIMENSIONS + 1)
    stream.integers(np.array(np.shape(means), np.int64), _SIDE)
    stream.integers(coarse, COARSE)
    write_points(stream, points, np.zeros(len(points.bits), np.int64), [table_from_coarse(coarse)])
    payload = stream.finish()
    return _MAGIC + _HEAD.pack(zlib.crc32(payload), *prior) + payload


def decompress_posterior(data: bytes, max_values: int | None = MAX_VALUES) -> np.ndarray:
    """What :func:`compress_posterior` wrote → the values, float32, of the shape of the means.

    Args:
      data: the bytes.
      max_values: that it may tell of; None for no limit but the format's, 2³¹.

    Raises :class:`BitstreamError` for anything else, and for more values.
    """
    if data[:4] != _MAGIC or len(data) < 4 + _HEAD.size:
        raise BitstreamError("not the code points of a posterior")
    crc, mean, scale = _HEAD.unpack_from(data, 4)
    payload = data[4 + _HEAD.size :]
    if zlib.crc32(payload) != crc or not (math.isfinite(mean) and 0 < scale < math.inf):
        raise BitstreamError("truncated or damaged: the checksum of the stream does not match")
    try:
        points, shape = _read(Reader(payload), max_values)
    except BaseException as error:
        if is_lost(error):
            raise BitstreamError("bytes that hold no code points") from None
        raise
    return _values(points, mean, scale).reshape(shape)


def _read(stream: Reader, max_values: int | None) -> tuple[CodePoints, tuple[int, ...]]:
    """(the points, the shape of their array)."""
    shape = tuple(stream.integers(stream.integer(_DIMENSIONS + 1), _SIDE).tolist())
    coarse = stream.integers(SYMBOLS, COARSE)
    count = math.prod(shape)
    if not 0 < count < _MOST or not coarse.any():
        raise BitstreamError(f"no array of the shape {shape}")
    if max_values is not None and count > max_values:
        raise BitstreamError(f"{count:,} values, more than max_values = {max_values:,}")
    table = table_from_coarse(coarse)
    return read_points(stream, np.zeros(count, np.int64), [table]), shape


def quantized_posterior(
    means: np.ndarray, scales: np.ndarray, penalty: float = LN2, rounds: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """(the values that bytes would give, float32, the bits of each code point).

    Args: and errors as of :func:`compress_posterior`. The bits are those of the points
    themselves, before the entropy code.
    """
    prior, points = _chosen(means, scales, penalty, rounds)
    shape = np.shape(means)
    return _values(points, *prior).reshape(shape), np.asarray(points.bits).reshape(shape)


def _chosen(
    means: np.ndarray, scales: np.ndarray, penalty: float, rounds: int
) -> tuple[tuple[float, float], CodePoints]:
    """((mean, scale) of the prior, float32 numbers; the points)."""
    mu, sigma = np.asarray(means, np.float64), np.asarray(scales, np.float64)
    if mu.shape != sigma.shape or not mu.size or mu.ndim > _DIMENSIONS:
        raise ValueError(f"means {mu.shape} and scales {sigma.shape}: expected one scale a mean")
    if not (np.isfinite(mu).all() and (sigma > 0).all()):
        raise ValueError("a mean that is not finite, or a scale that is not positive")
    centre = float(np.float32(mu.mean()))
    spread = float(np.float32(max(mu.std(), np.finfo(np.float32).tiny)))
    choose = partial(
        nearest_points,
        ndtr((mu.ravel() - centre) / spread),
        mu.ravel(),
        sigma.ravel(),
        penalty,
        lambda at, which: centre + spread * ndtri(at),
    )
    points = choose()
    for _ in range(rounds):
        table = table_from_coarse(_coarse(points))
        points = choose(code_lengths(np.zeros(mu.size, np.int64), [table]))
    return (centre, spread), points


def _values(points: CodePoints, mean: float, scale: float) -> np.ndarray:
    return (mean + scale * ndtri(points.value)).astype(np.float32)


def _coarse(points: CodePoints) -> np.ndarray:
    return coarse_counts(np.bincount(symbols_of(points), minlength=SYMBOLS))
