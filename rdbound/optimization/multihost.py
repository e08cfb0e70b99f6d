"""Training by several processes, of one machine or of many: each runs the same program.

    start("node0:1234", count=2, index=1)  # in each, before anything else of JAX's

The first process alone writes; all take the same steps. Every process draws the whole batch
and sends its own devices their part, so that the steps are those of one process with all
the devices.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

__all__ = ["CLUSTER", "check_same", "is_first", "meet", "placed", "start", "together"]

CLUSTER = "auto"
"""The coordinator that the cluster's environment names, Slurm's for example."""
_LONGEST = 4096
"""Bytes of an error that all are told."""


def start(coordinator: str, count: int | None = None, index: int | None = None) -> None:
    """Join the other processes.

    Args:
      coordinator: HOST:PORT of the first process, or :data:`CLUSTER`.
      count: of processes.
      index: of this one, from 0.

    Raises ValueError where neither the arguments nor the cluster's environment say who takes
    part. Where the others do not come within five minutes, JAX ends the process.
    """
    try:
        if coordinator == CLUSTER:
            jax.distributed.initialize()
        else:
            jax.distributed.initialize(coordinator, count, index)
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"--coordinator {coordinator}: {reason}") from None


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return not jax.distributed.is_initialized() or jax.process_index() == 0


def meet(name: str) -> None:
    """Wait until all processes are at the point of this name."""
    if jax.distributed.is_initialized():
        from jax.experimental.multihost_utils import sync_global_devices

        sync_global_devices(name)


@contextmanager
def together() -> Iterator[None]:
    """What one process raises in here as a ValueError or an OSError, all raise as a ValueError.

    Otherwise the others would wait for it, at the next step that all take.
    """
    wrong, raised = "", None
    try:
        yield
    except (ValueError, OSError) as error:
        wrong, raised = str(error) or type(error).__name__, error
    if jax.distributed.is_initialized():
        told = [text for text in _of_all(wrong) if text]
        if told and raised is None:
            raise ValueError(told[0])
    if raised is not None:
        raise raised


def _of_all(text: str) -> list[str]:
    """The text of each process."""
    from jax.experimental.multihost_utils import process_allgather

    own = np.zeros(_LONGEST, np.uint8)
    data = np.frombuffer(text.encode()[:_LONGEST], np.uint8)
    own[: len(data)] = data
    return [bytes(row).rstrip(b"\0").decode(errors="replace") for row in process_allgather(own)]


def check_same(number: int, what: str) -> None:
    """Raise ValueError, in all processes, where a number is not the same in each."""
    if jax.distributed.is_initialized():
        found = sorted(set(_of_all(str(number))))
        if len(found) > 1:
            raise ValueError(f"{what} differs among the processes: {', '.join(found)}")


def placed(tree: Any, sharding: jax.sharding.Sharding) -> Any:
    """Arrays of the host, which all processes have alike, on the devices of a sharding."""
    if not jax.distributed.is_initialized():
        return jax.device_put(tree, sharding)

    def one(leaf):
        host = np.asarray(leaf)
        return jax.make_array_from_callback(host.shape, sharding, lambda part: host[part])

    return jax.tree.map(one, tree)
