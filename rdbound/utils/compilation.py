"""Compilation: programs that are shared by everything that computes the same.

    compiled_call(function, params, x)
    run(function, params, x)

Both compile ``function`` for the shapes of its arguments once in a process: two codecs of one
architecture, or the models of a sweep, share a program. ``run`` also compares the memory that the
program needs with the memory that is free, before a CPU runs out of it and the process is killed.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

__all__ = [
    "TooLargeError",
    "ahead",
    "available_memory",
    "checked",
    "compiled_call",
    "divided",
    "run",
]

_ADVICE = "a smaller image or batch, or leave refinement out"


class TooLargeError(ValueError):
    """A program needs more memory than is free; ``share`` of what it needs would fit."""

    def __init__(self, message: str, share: float):
        super().__init__(message)
        self.share = share


@partial(jax.jit, static_argnums=0)
def compiled_call(function: Callable, *arguments: Any) -> Any:
    """Return ``function(*arguments)``, compiled.

    Args:
      function: a hashable function, equal to every other that computes the same: a function
        of a module, or an instance of a frozen dataclass with ``__call__``.
      arguments: pytrees of arrays and numbers.
    """
    return function(*arguments)


def run(function: Callable, *arguments: Any) -> Any:
    """Return :func:`compiled_call` of the arguments, if there is enough memory.

    Raises:
      TooLargeError: if the program needs more memory than is free.
    """
    ahead(compiled_call, function, *arguments)
    return compiled_call(function, *arguments)


def checked(function: Callable) -> Callable:
    """Return ``function`` compiled; calls raise TooLargeError as :func:`run` does.

    Args:
      function: any function; its programs are freed with it.
    """
    program = jax.jit(function)

    def call(*arguments: Any) -> Any:
        ahead(program, *arguments)
        return program(*arguments)

    return call


def ahead(function: Any, *arguments: Any, advice: str = _ADVICE) -> tuple[Any, float | None]:
    """Compile a jitted function for its arguments and compare its memory with what is free.

    A later call of ``function`` with arguments of these shapes does not compile again.

    Args:
      function: the result of ``jax.jit``.
      arguments: the arguments, or their shapes.
      advice: what to take instead, for the message.

    Returns:
      The program, and the gigabytes that it and its arguments take; None if unknown.

    Raises:
      TooLargeError: if the program needs more memory than is free.
    """
    program = function.lower(*arguments).compile()
    known = program.memory_analysis()
    if known is None:
        return program, None
    # Beside the arguments; an output may lie in the place of one.
    needs = known.temp_size_in_bytes + known.output_size_in_bytes - known.alias_size_in_bytes
    _check_memory(needs, advice)
    return program, (needs + known.argument_size_in_bytes) / 1e9


def _check_memory(total: int, advice: str) -> None:
    free = available_memory()
    if free is not None and total > free:
        raise TooLargeError(
            f"this needs {total / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free: take "
            f"{advice}",
            free / total,
        )


def available_memory() -> int | None:
    """Return the bytes that a program may still take on JAX's default device; None if unknown."""
    statistics = jax.local_devices()[0].memory_stats()
    if statistics and "bytes_limit" in statistics:
        return int(statistics["bytes_limit"] - statistics.get("bytes_in_use", 0))
    try:
        with open("/proc/meminfo") as file:
            found = dict(line.split(":") for line in file)
        return int(found["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return None


def divided(tree: Any) -> Any:
    """Return arrays with their first axis divided among all devices, if it divides evenly.

    Programs of such arrays run on all devices, each on its part.
    """
    devices = jax.devices()
    if len(devices) == 1 or any(len(leaf) % len(devices) for leaf in jax.tree.leaves(tree)):
        return tree
    mesh = jax.sharding.Mesh(np.asarray(devices), ("data",))
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec("data")))
