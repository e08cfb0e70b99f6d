"""Store the weights of a checkpoint as float32, float16 or entropy-coded integers.

``coded`` stores a kernel as integers times a step for each output channel. The integers are
entropy-coded (:mod:`rdbound.coding.entropy.integer_codes`), with the steps as ``NAME.scale`` and
the shape as ``NAME.shape`` beside them; vectors and kernels of few numbers a channel stay
float16. A step is a fraction of the channel's root mean square: one over :data:`FINENESS`, or
as fine as J requires of each kernel (``experiments/weight_bits.py``): `res-context-4` then takes
7.1 MB in place of 21.1, at J +0.13 ± 0.05 %.
"""

import math
from collections.abc import Mapping

import numpy as np

from rdbound.coding.entropy.integer_codes import bytes_of_numbers, numbers_of_bytes

__all__ = ["FINENESS", "check_weights", "decoded_weights", "encoded_weights", "stored_shapes"]

FINENESS = {"rest": 16.0, "precise": 128.0}
"""Steps in the root mean square of a channel of a coded kernel."""

_SCALE, _SHAPE = ".scale", ".shape"
_FEWEST = 16  # numbers of a channel: for fewer, the scale takes as much as it saves
_MOST = 2**28  # numbers of one coded kernel


def encoded_weights(
    weights: dict[str, np.ndarray],
    dtype: str,
    precise: tuple[str, ...] = (),
    fineness: Mapping[str, float] | None = None,
) -> dict[str, np.ndarray]:
    """Return the tensors of a file.

    Args:
      weights: weights by dotted name, float32.
      dtype: ``float32``, ``float16`` or ``coded``.
      precise: parts of dotted names; a kernel with one of them is coded more finely.
      fineness: steps in a channel's root mean square by name of a kernel, in place of
        :data:`FINENESS`.

    Raises:
      ValueError: a weight is not finite in its type, or ``fineness`` has an unknown name.
    """
    check_weights(weights)
    known = fineness or {}
    if unknown := sorted(known.keys() - weights.keys()):
        raise ValueError(f"no weight is called {unknown[0]}")
    tensors: dict[str, np.ndarray] = {}
    for name, value in weights.items():
        if dtype == "coded" and value.ndim > 1 and value.size >= _FEWEST * value.shape[-1]:
            usual = FINENESS["precise" if set(precise) & set(name.split(".")) else "rest"]
            tensors |= _coded(name, value, known.get(name, usual))
        else:
            with np.errstate(over="ignore"):
                tensors[name] = value.astype("float16" if dtype == "coded" else dtype)
            check_weights({name: tensors[name]})
    return tensors


def decoded_weights(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the weights of a file by name, float32 or float16.

    Raises:
      ValueError: a weight has another type or is not finite, or a coded weight is damaged; the
        message names it.
    """
    weights = {
        name: _decoded(name, tensors) if tensors[name].dtype == np.uint8 else tensors[name]
        for name in stored_shapes(tensors)
    }
    check_weights(weights)
    return weights


def stored_shapes(tensors: dict[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a file's weights by name, before any is decoded.

    Raises:
      ValueError: a coded weight has no shape; the message names it.
    """
    coded = {name for name, value in tensors.items() if value.dtype == np.uint8}
    beside = {name + suffix for name in coded for suffix in (_SCALE, _SHAPE)}
    return {
        name: _stored_shape(name, tensors) if name in coded else value.shape
        for name, value in tensors.items()
        if name not in beside
    }


def _stored_shape(name: str, tensors: dict[str, np.ndarray]) -> tuple[int, ...]:
    shape = tensors.get(name + _SHAPE)
    if shape is None or shape.dtype != np.int64 or shape.ndim != 1 or (shape < 1).any():
        raise ValueError(f"weight {name} is coded and has no shape")
    return tuple(shape.tolist())


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Raise ValueError unless every weight is an array of finite float32 or float16."""
    for name, value in weights.items():
        if value.dtype not in (np.float32, np.float16):
            raise ValueError(f"weight {name} is {value.dtype}; expected float32 or float16")
        if not np.isfinite(value).all():
            raise ValueError(f"weight {name} is not finite (NaN or infinite, in {value.dtype})")


def _coded(name: str, value: np.ndarray, fineness: float) -> dict[str, np.ndarray]:
    """Return the three tensors of a coded kernel."""
    spread = np.sqrt(np.mean(value.astype(np.float64) ** 2, axis=tuple(range(value.ndim - 1))))
    scale = np.where(spread > 0, spread / fineness, 1.0).astype(np.float32)
    data = bytes_of_numbers(np.rint(value / scale).astype(np.int64))
    return {
        name: np.frombuffer(data, np.uint8),
        name + _SCALE: scale,
        name + _SHAPE: np.array(value.shape, np.int64),
    }


def _decoded(name: str, tensors: dict[str, np.ndarray]) -> np.ndarray:
    """Return a coded kernel as float32."""
    data, shape, scale = tensors[name], _stored_shape(name, tensors), tensors.get(name + _SCALE)
    count = math.prod(shape)
    if count > _MOST or data.ndim != 1:
        raise ValueError(f"weight {name} is coded and of {count} numbers; {_MOST} is the limit")
    if scale is None or scale.dtype != np.float32 or scale.shape != shape[-1:]:
        raise ValueError(f"weight {name} is coded and has no scale for each channel")
    try:
        numbers = numbers_of_bytes(data.tobytes(), count).reshape(shape)
    except ValueError as error:
        raise ValueError(f"weight {name}: {error}") from None
    with np.errstate(over="ignore", invalid="ignore"):
        return (numbers * scale).astype(np.float32)
