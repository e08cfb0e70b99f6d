"""Check of the shapes that signatures state, in tests only; jaxtyping calls it on import.

Hints without a shape are left to mypy: at run time they would refuse NumPy arrays and
Python numbers, which JAX takes everywhere.
"""

import typing

import numpy as np
from beartype import beartype
from jaxtyping import AbstractArray


def checked(function):
    """Check arguments and results whose hints state a shape; NumPy arrays pass as JAX's."""
    hints = {name: _hint(hint) for name, hint in function.__annotations__.items()}
    function.__annotations__ = {name: hint for name, hint in hints.items() if _has_shape(hint)}
    return beartype(function) if function.__annotations__ else function


def _hint(hint):
    if not _is_array(hint):
        return hint
    return hint.dtype[hint.array_type | np.ndarray, hint.dim_str]


def _is_array(hint):
    return isinstance(hint, type) and issubclass(hint, AbstractArray)


def _has_shape(hint):
    return _is_array(hint) or any(map(_has_shape, typing.get_args(hint)))
