"""Compiled programs: shared by all that compute the same, few at a time, their memory known.

    run(function, params, x)

compiles ``function`` for the shapes of its arguments once a process, whoever asks: two
codecs of one architecture, or the models of a sweep, have one program. The least
recently used go, so that a thousand images of a thousand sizes do not fill the memory.
What a program needs is known before it runs, and refused where the machine has not as
much.
"""

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["available_memory", "run"]

KEPT = 160
"""Programs at a time, of some 0.5 to 5 MB each."""


def run(function: Callable, *arguments: Any) -> Any:
    """``function(*arguments)``, compiled.

    Args:
      function: hashable, and equal to every other that computes the same: a function
        of a module, or an instance of a frozen dataclass that can be called.
      arguments: pytrees of arrays and numbers.

    Raises ValueError where the program needs more memory than there is.
    """
    assert isinstance(function, Hashable)
    leaves, tree = jax.tree.flatten(arguments)
    arrays = [leaf if hasattr(leaf, "dtype") else jnp.asarray(np.asarray(leaf)) for leaf in leaves]
    shapes = tuple(jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays)
    return _program(function, tree, shapes)(*jax.tree.unflatten(tree, arrays))


@lru_cache(maxsize=KEPT)
def _program(function: Callable, tree: Any, shapes: tuple) -> Callable:
    program = jax.jit(function).lower(*jax.tree.unflatten(tree, shapes)).compile()
    _check_memory(program)
    return program


def _check_memory(program: Any) -> None:
    needs = program.memory_analysis()
    if needs is None:
        return
    total, there = needs.temp_size_in_bytes + needs.output_size_in_bytes, available_memory()
    if there is not None and total > there:
        raise ValueError(
            f"this needs {total / 1e9:.1f} GB of memory and {there / 1e9:.1f} GB are free: take "
            "a smaller image or batch, or leave refinement out"
        )


def available_memory() -> int | None:
    """Bytes that a program may still take on JAX's default device; None where nobody knows."""
    statistics = jax.local_devices()[0].memory_stats()
    if statistics and "bytes_limit" in statistics:
        return int(statistics["bytes_limit"] - statistics.get("bytes_in_use", 0))
    try:
        with open("/proc/meminfo") as file:
            found = dict(line.split(":") for line in file)
        return int(found["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return None
