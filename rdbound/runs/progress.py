"""Show the progress of a command as a bar on standard error."""

import sys

from tqdm import tqdm

from rdbound.utils.progress import Progress

__all__ = ["Bars"]

_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}"


class Bars(Progress):
    """One bar for the current task, with the time elapsed and the time left.

    Use it in a ``with``: the bar is removed at the end, whatever happened.
    """

    def __init__(self) -> None:
        self._task: str | None = None
        self._bar: tqdm | None = None

    def update(self, task: str, done: float, total: float, note: str = "") -> None:
        """Move the bar of ``task``; the arguments are those of :meth:`Progress.update`."""
        if self._bar is None or task != self._task:
            self.close()
            self._task = task
            # A resumed run begins where it stands, so that the time left is its own.
            self._bar = tqdm(
                total=total,
                initial=done,
                desc=task,
                leave=False,
                file=sys.stderr,
                bar_format=_BAR,
                smoothing=0.05,
            )
        self._bar.update(done - self._bar.n)
        if note:
            self._bar.set_postfix_str(note)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
        self._bar = self._task = None

    def __enter__(self) -> "Bars":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
