"""Progress bars and warnings, on standard error."""

import sys

from tqdm import tqdm

from rdbound.images.sets import ImageSet

__all__ = ["Bars", "fingerprint_images", "warn"]


class Bars:
    """One bar for what is being done at the moment, with rate and time left."""

    def __init__(self) -> None:
        self._what: str | None = None
        self._bar: tqdm | None = None

    def update(self, what: str, done: int, total: int, note: str = "") -> None:
        """Move the bar of ``what`` to ``done`` of ``total``; a new ``what`` begins a new bar.

        Args:
          what: is being done; the bar's name.
          done: how far it is.
          total: of how many.
          note: shown behind the bar, where there is one.
        """
        if what != self._what:
            self.close()
            self._what = what
            # A resumed run begins where it stands, so that its rate is its own.
            self._bar = tqdm(total=total, initial=done, desc=what, leave=False, file=sys.stderr)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
            if note:
                self._bar.set_postfix_str(note)

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


def fingerprint_images(images: ImageSet) -> str:
    """SHA-256 over a set of images, with a bar while it is read."""
    with Bars() as bars:
        return images.fingerprint(lambda done: bars.update("reading images", done, len(images)))
