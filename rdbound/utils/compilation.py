"""Compiled programs: shared by all that compute the same, few at a time, their memory known.

    run(function, params, x)

compiles ``function`` for the shapes of its arguments once a process, whoever asks: two
codecs of one architecture, or the models of a sweep, have one program. The least
recently used go, so that a thousand images of a thousand sizes do not fill the memory.
What a program needs is known before it runs, and refused where the machine has not as
much.
"""

from collections.abc import Callable, Hashable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

__all__ = ["TooLargeError", "ahead", "available_memory", "checked", "divided", "run"]


class TooLargeError(ValueError):
    """A program needs more memory than there is; ``share`` of its need would fit."""

    def __init__(self, message: str, share: float):
        super().__init__(message)
        self.share = share


KEPT = 160
"""Programs at a time, of some 0.5 to 5 MB each."""


def run(function: Callable, *arguments: Any) -> Any:
    """``function(*arguments)``, compiled.

    Args:
      function: hashable, and equal to every other that computes the same: a function
        of a module, or an instance of a frozen dataclass that can be called.
      arguments: pytrees of arrays and numbers.

    Raises :class:`TooLargeError` where the program needs more memory than there is.
    """
    assert isinstance(function, Hashable)
    tree, arrays, shapes = _described(arguments)
    return _program(function, tree, shapes)(*jax.tree.unflatten(tree, arrays))


def checked(function: Callable) -> Callable:
    """``function`` compiled for its owner alone; otherwise as :func:`run`.

    Args:
      function: any, such as one that reports to a bar of its owner's. Its programs go
        when it goes.
    """
    compiled = lru_cache(maxsize=KEPT)(partial(_compiled, function))

    def call(*arguments: Any) -> Any:
        tree, arrays, shapes = _described(arguments)
        return compiled(tree, shapes)(*jax.tree.unflatten(tree, arrays))

    return call


def _described(arguments: tuple) -> tuple[Any, list[Any], tuple]:
    """The structure of the arguments, their leaves as arrays, and the shapes of these."""
    leaves, tree = jax.tree.flatten(arguments)
    arrays = [leaf if hasattr(leaf, "dtype") else jnp.asarray(np.asarray(leaf)) for leaf in leaves]
    return (
        tree,
        arrays,
        tuple(jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=_division(a)) for a in arrays),
    )


def _division(array: Any) -> jax.sharding.Sharding | None:
    """How an array is divided among devices; None for one that any device may have."""
    sharding = getattr(array, "sharding", None)
    return sharding if sharding is not None and len(sharding.device_set) > 1 else None


def divided(tree: Any) -> Any:
    """Arrays with their first axis divided among all devices, where it can be evenly.

    Programs of such arrays run on all of them, each for its part.
    """
    devices = jax.devices()
    if len(devices) == 1 or any(len(leaf) % len(devices) for leaf in jax.tree.leaves(tree)):
        return tree
    mesh = jax.sharding.Mesh(np.asarray(devices), ("data",))
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec("data")))


def ahead(function: Any, *arguments: Any, advice: str) -> tuple[Any, float | None]:
    """What ``jax.jit`` made, compiled for these arguments, and the gigabytes that it takes.

    These with the arguments; None where nobody knows. Raises :class:`TooLargeError` as
    :func:`run`, with ``advice`` on what to take instead.
    """
    program = function.lower(*arguments).compile()
    known = program.memory_analysis()
    if known is None:
        return program, None
    # Beside the arguments; an output may lie in the place of one.
    needs = known.temp_size_in_bytes + known.output_size_in_bytes - known.alias_size_in_bytes
    _check_memory(needs, advice)
    return program, (needs + known.argument_size_in_bytes) / 1e9


def _compiled(function: Callable, tree: Any, shapes: tuple) -> Callable:
    advice = "a smaller image or batch, or leave refinement out"
    return ahead(jax.jit(function), *jax.tree.unflatten(tree, shapes), advice=advice)[0]


_program = lru_cache(maxsize=KEPT)(_compiled)


def _check_memory(total: int, advice: str) -> None:
    there = available_memory()
    if there is not None and total > there:
        raise TooLargeError(
            f"this needs {total / 1e9:.1f} GB of memory and {there / 1e9:.1f} GB are free: take "
            f"{advice}",
            there / total,
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
