"""How a checkpoint stores its weights: as float32, as float16, or as int8 with a scale.

``int8`` holds each kernel as whole numbers from -127 to 127 times a scale for each output
channel, the largest magnitude over 127, as a second tensor ``NAME.scale``; vectors, kernels
of few numbers a channel, and what a model calls ``precise`` stay float16. Measured on
`res-context-4`: 12.3 MB where float16 takes 21.1, J +0.04 ± 0.005 %; were the linear path
whole numbers too, +1.7 %.
"""

import numpy as np

__all__ = ["check_weights", "decoded_weights", "encoded_weights"]

_SCALE = ".scale"
_LEVELS = 127
_FEWEST = 16  # numbers a channel: of fewer, the scale would take as much as it saves


def encoded_weights(
    weights: dict[str, np.ndarray], dtype: str, precise: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    """The tensors of a file.

    Args:
      weights: by dotted name, float32.
      dtype: ``float32``, ``float16`` or ``int8``.
      precise: parts of dotted names: what has one of them ``int8`` leaves as float16.

    Raises ValueError, naming it, for a weight that is not finite in its type.
    """
    check_weights(weights)
    tensors = {}
    for name, value in weights.items():
        if dtype == "int8" and _has_scale(value) and not set(precise) & set(name.split(".")):
            tensors[name], tensors[name + _SCALE] = _whole_numbers(value)
            continue
        with np.errstate(over="ignore"):
            tensors[name] = value.astype("float16" if dtype == "int8" else dtype)
        check_weights({name: tensors[name]})
    return tensors


def decoded_weights(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights of a file by name, float32 or float16.

    Raises ValueError, naming it, for a weight of another type, one that is not finite, and
    whole numbers without a float32 scale for each output channel.
    """
    whole = {name for name, value in tensors.items() if value.dtype == np.int8}
    scales = {name + _SCALE for name in whole}
    weights = {}
    for name, value in tensors.items():
        if name in whole:
            scale = tensors.get(name + _SCALE)
            if scale is None or scale.dtype != np.float32 or scale.shape != value.shape[-1:]:
                raise ValueError(f"weight {name} is int8 and has no scale for each channel")
            with np.errstate(over="ignore", invalid="ignore"):
                value = value * scale
        if name not in scales:
            weights[name] = value
    check_weights(weights)
    return weights


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
