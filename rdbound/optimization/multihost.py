"""Train one model by several processes of one or several machines, all with the same program.

    start("node0:1234", count=2, index=1)  # in each, before any other use of JAX

Only the first process writes; all take the same steps. Every process draws the whole batch
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
"""Find the coordinator in the environment of the cluster, Slurm for example."""
_LONGEST = 4096  # bytes of an error message sent to the other processes


def start(coordinator: str, count: int | None = None, index: int | None = None) -> None:
    """Join the other processes. JAX ends the process if they are not there within five minutes.

    Args:
      coordinator: HOST:PORT of the first process, or :data:`CLUSTER`.
      count: number of processes.
      index: index of this process, from 0.

    Raises:
      ValueError: neither the arguments nor the environment determine the processes.
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
    """Return whether this process is the one that writes."""
    return not jax.distributed.is_initialized() or jax.process_index() == 0


def meet(name: str) -> None:
    """Wait until all processes have reached the point called ``name``."""
    if jax.distributed.is_initialized():
        from jax.experimental.multihost_utils import sync_global_devices

        sync_global_devices(name)


@contextmanager
def together() -> Iterator[None]:
    """Raise ValueError in all processes if one of them raises ValueError or OSError here.

    Otherwise the other processes would wait for it at the next common step.
    """
    wrong, raised = "", None
    try:
        yield
    except (ValueError, OSError) as error:
        wrong, raised = str(error) or type(error).__name__, error
    if jax.distributed.is_initialized():
        errors = [text for text in _of_all(wrong) if text]
        if errors and raised is None:
            raise ValueError(errors[0])
    if raised is not None:
        raise raised


def _of_all(text: str) -> list[str]:
    """Return the text of each process."""
    from jax.experimental.multihost_utils import process_allgather

    own = np.zeros(_LONGEST, np.uint8)
    data = np.frombuffer(text.encode()[:_LONGEST], np.uint8)
    own[: len(data)] = data
    return [bytes(row).rstrip(b"\0").decode(errors="replace") for row in process_allgather(own)]


def check_same(number: int, what: str) -> None:
    """Raise ValueError in all processes unless ``number`` is the same in each."""
    if jax.distributed.is_initialized():
        found = sorted(set(_of_all(str(number))))
        if len(found) > 1:
            raise ValueError(f"{what} differs among the processes: {', '.join(found)}")


def placed(tree: Any, sharding: jax.sharding.Sharding) -> Any:
    """Place arrays of the host, equal in all processes, on the devices of a sharding."""
    if not jax.distributed.is_initialized():
        return jax.device_put(tree, sharding)

    def one(leaf: Any) -> jax.Array:
        host = np.asarray(leaf)
        return jax.make_array_from_callback(host.shape, sharding, lambda part: host[part])

    return jax.tree.map(one, tree)
