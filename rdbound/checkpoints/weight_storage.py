"""How a checkpoint stores its weights: float32, float16, int8 with a scale, or coded.

``int8`` holds each kernel as whole numbers from -127 to 127 times a scale for each output
channel, the largest magnitude over 127, as a second tensor ``NAME.scale``; vectors, kernels
of few numbers a channel, and what a model calls ``precise`` stay float16. Measured on
`res-context-4`: 12.3 MB where float16 takes 21.1, J +0.04 ± 0.005 %; were the linear path
whole numbers too, +1.7 %.

``coded`` goes on from there: whole numbers of a finer or coarser step, entropy-coded
(:mod:`rdbound.coding.entropy.integer_codes`), with ``NAME.shape`` beside them. A step is a part of
a channel's root mean square, which :data:`FINENESS` says, or what J asks of each kernel
(``experiments/weight_bits.py``): `res-context-4` then takes 7.1 MB, at J +0.13 ± 0.05 %.
"""

import math
from collections.abc import Mapping

import numpy as np

from rdbound.coding.entropy.integer_codes import bytes_of_numbers, numbers_of_bytes

__all__ = ["FINENESS", "check_weights", "decoded_weights", "encoded_weights", "told_shapes"]

FINENESS = {"rest": 16.0, "precise": 128.0}
"""Steps in a channel's root mean square, of coded kernels."""

_SCALE, _SHAPE = ".scale", ".shape"
_LEVELS = 127
_FEWEST = 16  # numbers a channel: of fewer, the scale would take as much as it saves
_MOST = 2**28  # numbers of one coded kernel


def encoded_weights(
    weights: dict[str, np.ndarray],
    dtype: str,
    precise: tuple[str, ...] = (),
    fineness: Mapping[str, float] | None = None,
) -> dict[str, np.ndarray]:
    """The tensors of a file.

    Args:
      weights: by dotted name, float32.
      dtype: ``float32``, ``float16``, ``int8`` or ``coded``.
      precise: parts of dotted names: what has one of them ``int8`` leaves as float16, and
        ``coded`` tells more finely.
      fineness: steps in a channel's root mean square of each kernel that is coded, by name,
        in place of :data:`FINENESS`; any other name is an error.

    Raises ValueError, naming it, for a weight that is not finite in its type.
    """
    check_weights(weights)
    known = fineness or {}
    if unknown := sorted(known.keys() - weights.keys()):
        raise ValueError(f"no weight is called {unknown[0]}")
    tensors: dict[str, np.ndarray] = {}
    for name, value in weights.items():
        exact = bool(set(precise) & set(name.split(".")))
        if dtype == "coded" and _has_scale(value):
            usual = FINENESS["precise" if exact else "rest"]
            tensors |= _coded(name, value, known.get(name, usual))
        elif dtype == "int8" and _has_scale(value) and not exact:
            tensors[name], tensors[name + _SCALE] = _whole_numbers(value)
        else:
            with np.errstate(over="ignore"):
                tensors[name] = value.astype("float16" if dtype in ("int8", "coded") else dtype)
            check_weights({name: tensors[name]})
    return tensors


def decoded_weights(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights of a file by name, float32 or float16.

    Raises ValueError, naming it, for a weight of another type, one that is not finite, whole
    numbers without a float32 scale for each output channel, and bytes that hold none.
    """
    weights = {}
    for name in told_shapes(tensors):
        value = tensors[name]
        if value.dtype in (np.int8, np.uint8):
            kind = "int8" if value.dtype == np.int8 else "coded"
            numbers = value if kind == "int8" else _numbers(name, value, tensors)
            scale = tensors.get(name + _SCALE)
            if scale is None or scale.dtype != np.float32 or scale.shape != numbers.shape[-1:]:
                raise ValueError(f"weight {name} is {kind} and has no scale for each channel")
            with np.errstate(over="ignore", invalid="ignore"):
                value = (numbers * scale).astype(np.float32)
        weights[name] = value
    check_weights(weights)
    return weights


def told_shapes(tensors: dict[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """The shapes of a file's weights by name, before any is decoded.

    Raises ValueError, naming it, for a coded weight without a shape.
    """
    coded = {name for name, value in tensors.items() if value.dtype == np.uint8}
    whole = {name for name, value in tensors.items() if value.dtype == np.int8}
    beside = {name + _SCALE for name in whole | coded} | {name + _SHAPE for name in coded}
    return {
        name: _told_shape(name, tensors) if name in coded else value.shape
        for name, value in tensors.items()
        if name not in beside
    }


def _told_shape(name: str, tensors: dict[str, np.ndarray]) -> tuple[int, ...]:
    shape = tensors.get(name + _SHAPE)
    if shape is None or shape.dtype != np.int64 or shape.ndim != 1 or (shape < 1).any():
        raise ValueError(f"weight {name} is coded and has no shape")
    return tuple(shape.tolist())


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Raise ValueError, naming it, for a weight that is no array of finite float32 or float16."""
    for name, value in weights.items():
        if value.dtype not in (np.float32, np.float16):
            raise ValueError(f"weight {name} is {value.dtype}; expected float32, float16 or int8")
        if not np.isfinite(value).all():
            raise ValueError(f"weight {name} is not finite (NaN or infinite, in {value.dtype})")


def _has_scale(value: np.ndarray) -> bool:
    return value.ndim > 1 and value.size >= _FEWEST * value.shape[-1]


def _whole_numbers(value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As whole numbers, and the scale of each channel, float32 [channels]."""
    largest = np.abs(value).max(tuple(range(value.ndim - 1)))
    scale = np.where(largest > 0, largest / _LEVELS, 1.0).astype(np.float32)
    return np.round(value / scale).astype(np.int8), scale


def _coded(name: str, value: np.ndarray, fineness: float) -> dict[str, np.ndarray]:
    """The three tensors of a kernel."""
    spread = np.sqrt(np.mean(value.astype(np.float64) ** 2, axis=tuple(range(value.ndim - 1))))
    scale = np.where(spread > 0, spread / fineness, 1.0).astype(np.float32)
    data = bytes_of_numbers(np.rint(value / scale).astype(np.int64))
    return {
        name: np.frombuffer(data, np.uint8),
        name + _SCALE: scale,
        name + _SHAPE: np.array(value.shape, np.int64),
    }


def _numbers(name: str, data: np.ndarray, tensors: dict[str, np.ndarray]) -> np.ndarray:
    """The whole numbers of a coded kernel."""
    shape = _told_shape(name, tensors)
    count = math.prod(shape)
    if count > _MOST or data.ndim != 1:
        raise ValueError(f"weight {name} is coded and of {count} numbers; {_MOST} is the limit")
    try:
        return numbers_of_bytes(data.tobytes(), count).reshape(shape)
    except ValueError as error:
        raise ValueError(f"weight {name}: {error}") from None
