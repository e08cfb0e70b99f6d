"""Store the state of training on disk: checkpoints that resume exactly, and metrics.

FOLDER/checkpoints/STEP/          training state and position of the data, by Orbax
FOLDER/checkpoints/STEP.damaged   an unreadable checkpoint, renamed
FOLDER/metrics.jsonl              a line for each log: step, loss, J, bpp, distortion, …, seconds
FOLDER/tensorboard/               the same quantities as events
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp
from tensorboardX import SummaryWriter

from rdbound.optimization.multihost import check_same, is_first, meet, together
from rdbound.utils.atomic_files import write_text
from rdbound.utils.progress import LOG

__all__ = [
    "CHECKPOINTS",
    "METRICS",
    "Checkpoints",
    "Metrics",
    "newest_readable",
    "read_metrics",
    "saved_state",
    "saved_steps",
]

CHECKPOINTS = "checkpoints"
METRICS = "metrics.jsonl"
_STATE = "state"  # item of a checkpoint
T = TypeVar("T")


def saved_steps(folder: Path) -> list[Path]:
    """Return the complete checkpoints in ``folder``, the newest first."""
    # A checkpoint that is being written has another name.
    complete = [p for p in folder.iterdir() if p.name.isdecimal()] if folder.is_dir() else []
    return sorted(complete, key=lambda p: -int(p.name))


def saved_state(path: Path) -> Any:
    """Return the training state of a checkpoint's folder, as trees of arrays by name."""
    with ocp.StandardCheckpointer() as reader:
        return reader.restore(path.absolute() / _STATE)


def newest_readable(folder: Path, read: Callable[[Path], T]) -> tuple[Path, T] | None:
    """Read the newest checkpoint that can be read, with a warning for each damaged newer one.

    Args:
      folder: folder of the checkpoints.
      read: reads the folder of one checkpoint.

    Returns:
      The folder of the checkpoint and the result of ``read``, or None without any checkpoint.

    Raises:
      ValueError: there are checkpoints, and none of them can be read.
    """
    reasons = []
    for path in saved_steps(folder):
        try:
            found = read(path)
        except MemoryError:
            raise
        except Exception as error:  # Orbax lets through whatever its parts raise
            reasons.append(f"{path} is damaged ({_reason(error)})")
            continue
        for reason in reasons:
            LOG.warning(f"{reason}; step {path.name} takes its place")
        return path, found
    if reasons:
        raise ValueError(f"{'; '.join(reasons)}; remove {folder} to start from the beginning")
    return None


def _reason(error: Exception) -> str:
    """Return the type of an error and the beginning of its message, which may be long."""
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first[:120]}"


class Checkpoints:
    """Orbax checkpoints of the training state and the position of the data; two are kept.

    Use it in a ``with``: at its end the writer has ended too, whatever happened.

    Args:
      folder: folder of the checkpoints, created if missing; each is a folder named by its step.
    """

    def __init__(self, folder: Path):
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        options = ocp.CheckpointManagerOptions(max_to_keep=2, create=True)
        self._manager = ocp.CheckpointManager(self.folder, options=options)

    def newest(self) -> Path | None:
        """Return the folder of the newest complete checkpoint."""
        return next(iter(saved_steps(self.folder)), None)

    def save(self, step: int, state: Any, batches: Any) -> None:
        """Write a checkpoint in the background; it appears complete or not at all.

        Args:
          step: number of steps taken.
          state: a pytree; copied to the host before this returns.
          batches: an iterator with ``get_state()``, whose state is JSON.
        """
        # The next step donates the buffers of the state: the writer needs a copy, where
        # device_get returns a view on a CPU.
        host = jax.tree.map(np.array, state)
        args = ocp.args.Composite(
            **{_STATE: ocp.args.StandardSave(host)}, data=ocp.args.JsonSave(batches.get_state())
        )
        self._manager.save(step, args=args)

    def restore(self, template: Any, batches: Any) -> Any:
        """Return the newest state, and move ``batches`` to its position.

        Damaged checkpoints are renamed, with a warning, if an older one can be read; the steps
        between the two are then taken again.

        Args:
          template: a state of the same structure, returned if there is no checkpoint.
          batches: an iterator with ``set_state()``.

        Raises:
          ValueError: there are checkpoints, and none of them can be read.
        """
        args = ocp.args.Composite(
            **{_STATE: ocp.args.StandardRestore(jax.device_get(template))},
            data=ocp.args.JsonRestore(),
        )

        def read(path: Path) -> Any:
            saved = self._manager.restore(int(path.name), args=args)
            batches.set_state(saved["data"])
            return saved[_STATE]

        with together():
            found = newest_readable(self.folder, read)
        check_same(-1 if found is None else int(found[0].name), "the newest readable checkpoint")
        if found is None:
            return template
        self._put_aside_after(found[0])
        return found[1]

    def _put_aside_after(self, path: Path) -> None:
        """Rename checkpoints newer than ``path``: Orbax saves no step before its newest."""
        newer = [p for p in saved_steps(self.folder) if int(p.name) > int(path.name)]
        meet("damaged checkpoints are known")
        if is_first():
            for damaged in newer:
                damaged.rename(_free(damaged.with_name(f"{damaged.name}.damaged")))
        meet("damaged checkpoints are put aside")
        if newer:
            self._manager.reload()

    def wait(self) -> None:
        """Wait until the checkpoint being written is complete."""
        self._manager.wait_until_finished()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        # At the exit of the interpreter the writer could no longer start a thread.
        self._manager.close()


def _free(path: Path) -> Path:
    """Return ``path``, or the first numbered variant of it that does not exist."""
    numbered = (path.with_name(f"{path.name}.{i}") for i in range(1, 1000))
    return path if not path.exists() else next(p for p in numbered if not p.exists())


class Metrics:
    """Write ``metrics.jsonl`` and TensorBoard events; only the first of several processes writes.

    Args:
      folder: folder of the run.
      done: steps of the checkpoint that the run resumes from; later lines, which will be
        written again, and an incomplete last line are dropped.

    Raises:
      ValueError: see :func:`read_metrics`.
    """

    def __init__(self, folder: Path, done: int):
        self._writes = is_first()
        if not self._writes:
            return
        folder.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read_metrics(folder) if line["step"] <= done]
        write_text(folder / METRICS, "".join(json.dumps(line) + "\n" for line in kept))
        self._file = (folder / METRICS).open("a", encoding="utf-8")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=done or None)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Write one line, and one event for each quantity."""
        if not self._writes:
            return
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._writes:
            self._file.close()
            self._board.close()


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """Return the metrics of a run, one mapping for each log.

    An incomplete last line, which a killed run leaves, is skipped.

    Raises:
      ValueError: another line is damaged; the message names file and line.
    """
    path = folder / METRICS
    text = path.read_bytes().decode(errors="replace") if path.exists() else ""
    *whole, _ = text.split("\n")
    return [_log(path, number, line) for number, line in enumerate(whole, 1)]


def _log(path: Path, number: int, line: str) -> dict[str, float]:
    try:
        log = json.loads(line)
        int(log["step"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise ValueError(
            f"{path} is damaged: line {number} is no log of a step; remove that line"
        ) from None
    return log
