"""Progress bars and warnings, on standard error.

How much commands say while they work.
"""

import sys
from collections.abc import Callable, Sequence
from itertools import accumulate

from tqdm import tqdm

from rdbound.optimization.multihost import is_first

__all__ = ["Bars", "is_quiet", "set_quiet", "warn"]

_quiet = False


def set_quiet(quiet: bool) -> None:
    """Whether bars are left out; results, warnings and errors are said all the same."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether bars are left out."""
    return _quiet


_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}"


class Bars:
    """One bar for what is being done at the moment, with rate and time left."""

    def __init__(self) -> None:
        self._what: str | None = None
        self._bar: tqdm | None = None

    def update(
        self, what: str, done: float, total: float, note: str = "", rate: bool = True
    ) -> None:
        """Move the bar of ``what`` to ``done`` of ``total``; a new ``what`` begins a new bar.

        Args:
          what: is being done; the bar's name.
          done: how far it is.
          total: of how many.
          note: shown behind the bar, where there is one.
          rate: whether units are equal, so that their number a second says something.
        """
        if what != self._what:
            self.close()
            self._what = what
            # A resumed run begins where it stands, so that its rate is its own.
            self._bar = tqdm(
                total=total,
                initial=done,
                desc=what,
                leave=False,
                file=sys.stderr,
                bar_format=None if rate else _BAR,
                smoothing=0.05,
                disable=is_quiet() or not is_first(),
            )
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
            if note:
                self._bar.set_postfix_str(note)

    def part(
        self, name: str, before: int, total: int, sizes: Sequence[int], inner: int
    ) -> Callable[[str, int, int], None]:
        """What moves one bar over the parts of a whole, with the time that is left of it.

        Args:
          name: of the part; what reports (name, done, of) says how many units are done.
          before: units in the parts before it.
          total: units in all.
          sizes: of the tasks of the part, in units.
          inner: how many times within a task something else is reported from 0 to its end.
        """
        done, rounds, last = before, 0, 0.0
        begins = accumulate(sizes, initial=before)
        size_at = dict(zip(begins, sizes, strict=False))

        def show(what: str, now: int, of: int) -> None:
            nonlocal done, rounds, last
            share = now / of if of else 1.0
            if what == name:
                done, rounds, last = before + now, 0, 0.0
                self.update("evaluating", done, total, name, rate=False)
                return
            rounds, last = rounds + (share < last), share
            within = min(1.0, (rounds + share) / max(1, inner))
            self.update(
                "evaluating",
                done + within * size_at.get(done, 1),
                total,
                f"{name}: {what}",
                rate=False,
            )

        return show

    def write(self, text: str) -> None:
        """A line above the bar."""
        tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
        self._bar = self._what = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def warn(text: str) -> None:
    """One line that a user should not overlook."""
    print(f"rdbound: warning: {text}", file=sys.stderr)
