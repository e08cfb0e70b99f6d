"""Report how far long computations are, and log every message through one logger."""

import logging

__all__ = ["LOG", "SILENT", "Progress"]

LOG = logging.getLogger("rdbound")
"""Results are logged as INFO, what a user should not overlook as WARNING. The command line
prints both; Python shows warnings by default."""


class Progress:
    """A receiver of progress reports; this one shows nothing."""

    def update(self, task: str, done: float, total: float, note: str = "") -> None:
        """Report that ``done`` of ``total`` units of ``task`` are finished.

        Args:
          task: name of the task; a new name ends the task before it.
          done: units finished.
          total: units in all.
          note: a short text to show beside the bar.
        """


SILENT = Progress()
"""The default: nothing is shown."""
