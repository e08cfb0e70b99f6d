"""What training leaves on disk: checkpoints that resume exactly, and metrics.

FOLDER/checkpoints/STEP/   training state and data iterator, by Orbax
FOLDER/metrics.jsonl       a line a log: step, loss, J, bpp, distortion, …, seconds
FOLDER/tensorboard/        the same quantities as events
"""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from tensorboardX import SummaryWriter

__all__ = ["Checkpoints", "Metrics"]


class Checkpoints:
    """Orbax checkpoints of (training state, data iterator state); the last two are kept.

    Args:
      folder: made where there is none; a checkpoint is a folder in it, by its step.
    """

    def __init__(self, folder: Path):
        self.folder = folder.resolve()
        options = ocp.CheckpointManagerOptions(max_to_keep=2, create=True)
        self._manager = ocp.CheckpointManager(self.folder, options=options)

    def newest(self) -> Path | None:
        """The folder of the newest complete checkpoint."""
        step = self._manager.latest_step()
        return None if step is None else self.folder / str(step)

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
            state=ocp.args.StandardSave(host), data=ocp.args.JsonSave(batches.get_state())
        )
        self._manager.save(step, args=args)

    def restore(self, template: Any, batches: Any) -> Any:
        """The newest state, with ``batches`` moved to its place; ``template`` if there is none."""
        step = self._manager.latest_step()
        if step is None:
            return template
        args = ocp.args.Composite(
            state=ocp.args.StandardRestore(jax.device_get(template)),
            data=ocp.args.JsonRestore(),
        )
        saved = self._manager.restore(step, args=args)
        batches.set_state(saved["data"])
        return saved["state"]

    def close(self) -> None:
        """Wait for the writer."""
        self._manager.wait_until_finished()


class Metrics:
    """``metrics.jsonl`` and TensorBoard events; a resumed run drops what it will repeat.

    Args:
      folder: of the run.
      done: steps of the checkpoint it resumes from; later lines are dropped, and a
        line that a kill cut short.
    """

    def __init__(self, folder: Path, done: int):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "metrics.jsonl"
        part = path.with_suffix(".part")
        part.write_text("".join(_lines_up_to(path, done)))
        part.replace(path)
        self._file = path.open("a")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=done or None)

    def write(self, step: int, values: dict[str, float]) -> None:
        """One line and one event a quantity."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()
        self._board.close()


def _lines_up_to(path: Path, step: int) -> list[str]:
    if not path.exists():
        return []
    kept = []
    for line in path.read_text().splitlines(keepends=True):
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError):
            continue  # the line a kill cut short
    return kept
