"""What training leaves on disk: checkpoints that resume exactly, and metrics.

FOLDER/checkpoints/STEP/   training state and data iterator, by Orbax
FOLDER/checkpoints/STEP.damaged   one that could not be read, put aside
FOLDER/metrics.jsonl       a line a log: step, loss, J, bpp, distortion, …, seconds
FOLDER/tensorboard/        the same quantities as events
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
_STATE = "state"  # among the items of a checkpoint
Warn = Callable[[str], None]
T = TypeVar("T")


def saved_steps(folder: Path) -> list[Path]:
    """The complete checkpoints in ``folder``, newest first: one being written has another name."""
    complete = [p for p in folder.iterdir() if p.name.isdecimal()] if folder.is_dir() else []
    return sorted(complete, key=lambda p: -int(p.name))


def saved_state(path: Path) -> Any:
    """The training state of a checkpoint's folder, as trees of arrays by name."""
    with ocp.StandardCheckpointer() as reader:
        return reader.restore(path.absolute() / _STATE)


def newest_readable(folder: Path, read: Callable[[Path], T], warn: Warn) -> tuple[Path, T] | None:
    """The newest checkpoint that can be read, and what ``read`` made of it.

    Args:
      folder: of the checkpoints.
      read: a checkpoint's folder to anything.
      warn: told of each newer one that cannot be read.

    None where there is no checkpoint. Raises ValueError where none of them can be read.
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
            warn(f"{reason}; step {path.name} takes its place")
        return path, found
    if reasons:
        raise ValueError(f"{'; '.join(reasons)}; remove {folder} to start from the beginning")
    return None


def _reason(error: Exception) -> str:
    """The beginning of the first line of a message, which may have a hundred."""
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first[:120]}"


class Checkpoints:
    """Orbax checkpoints of (training state, data iterator state); the last two are kept.

    Use it in a ``with``: at its end the writer has ended too, whatever happened.

    Args:
      folder: made where there is none; a checkpoint is a folder in it, by its step.
      warn: told where a damaged checkpoint is put aside.
    """

    def __init__(self, folder: Path, warn: Warn = lambda _: None):
        self.folder, self._warn = folder.resolve(), warn
        self.folder.mkdir(parents=True, exist_ok=True)
        options = ocp.CheckpointManagerOptions(max_to_keep=2, create=True)
        self._manager = ocp.CheckpointManager(self.folder, options=options)

    def newest(self) -> Path | None:
        """The folder of the newest complete checkpoint."""
        return next(iter(saved_steps(self.folder)), None)

    def save(self, step: int, state: Any, batches: Any) -> None:
        """Write in the background; complete or absent, never half.

        Args:
          step: of the state.
          state: a pytree; copied to the host before this returns.
          batches: an iterator with ``get_state()``, whose state is JSON.
        """
        # The next step donates the state's buffers: the writer gets a copy, not
        # the view that device_get gives on a CPU.
        host = jax.tree.map(np.array, state)
        args = ocp.args.Composite(
            **{_STATE: ocp.args.StandardSave(host)}, data=ocp.args.JsonSave(batches.get_state())
        )
        self._manager.save(step, args=args)

    def restore(self, template: Any, batches: Any) -> Any:
        """The newest state, with ``batches`` moved to its place; ``template`` if there is none.

        One that cannot be read is put aside, with a warning, where an older one can:
        the steps between the two are taken again. Raises ValueError where none can.
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
            found = newest_readable(self.folder, read, self._warn)
        check_same(-1 if found is None else int(found[0].name), "the newest readable checkpoint")
        if found is None:
            return template
        self._put_aside_after(found[0])
        return found[1]

    def _put_aside_after(self, path: Path) -> None:
        """Rename what is newer than ``path``: Orbax saves no step before its newest."""
        newer = [p for p in saved_steps(self.folder) if int(p.name) > int(path.name)]
        meet("damaged checkpoints are known")
        if is_first():
            for damaged in newer:
                damaged.rename(_free(damaged.with_name(f"{damaged.name}.damaged")))
        meet("damaged checkpoints are put aside")
        if newer:
            self._manager.reload()

    def wait(self) -> None:
        """Wait for what is being written."""
        self._manager.wait_until_finished()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        # Left to the interpreter's exit, the writer finds no thread to end in.
        self._manager.close()


def _free(path: Path) -> Path:
    """``path``, or the first numbered one that is not there."""
    numbered = (path.with_name(f"{path.name}.{i}") for i in range(1, 1000))
    return path if not path.exists() else next(p for p in numbered if not p.exists())


class Metrics:
    """``metrics.jsonl`` and TensorBoard events, of the first of several processes; a resumed run
    drops what it will repeat.

    Args:
      folder: of the run.
      done: steps of the checkpoint it resumes from; later lines are dropped, and a
        line that a kill cut short.

    Raises ValueError as :func:`read_metrics`.
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
        """One line and one event a quantity."""
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
    """The metrics of a run, a mapping a log; what a kill left of the last line is no log.

    Raises ValueError, naming file and line, where another line is none.
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
