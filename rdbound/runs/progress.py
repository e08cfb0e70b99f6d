"""Show the messages and the progress of a command on the terminal."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from tqdm import tqdm

from rdbound.utils.progress import LOG, SILENT, Progress

__all__ = ["Bars", "Terminal", "terminal"]

_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}"


class Bars(Progress):
    """One bar on standard error for the current task, with the time elapsed and the time left."""

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


class Terminal(logging.Handler):
    """Print results as bare lines on standard output, and warnings on standard error.

    Attributes:
      progress: shows bars, or nothing.
      results: the stream of the results, standard output if None.
    """

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress
        self.results: TextIO | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message above the bar."""
        if record.levelno >= logging.WARNING:
            tqdm.write(f"rdbound: warning: {record.getMessage()}", file=sys.stderr)
        else:
            results = self.results or sys.stdout
            tqdm.write(record.getMessage(), file=results)
            results.flush()

    def mute(self) -> None:
        """Show no results and no bars from now on, as all processes but the first do."""
        self.progress = SILENT
        LOG.setLevel(logging.WARNING)


@contextmanager
def terminal(quiet: bool = False) -> Iterator[Terminal]:
    """Send the messages of the package to the terminal.

    Args:
      quiet: whether to leave out the bars.
    """
    bars = Bars()
    shown = Terminal(SILENT if quiet else bars)
    level, propagate = LOG.level, LOG.propagate
    LOG.addHandler(shown)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    try:
        yield shown
    finally:
        bars.close()
        LOG.removeHandler(shown)
        LOG.setLevel(level)
        LOG.propagate = propagate
