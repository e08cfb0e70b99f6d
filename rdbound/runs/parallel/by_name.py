"""The stage that each command of a config runs."""

from collections.abc import Callable
from pathlib import Path

from rdbound.config import Config

__all__ = ["RUNS", "Run", "run_of"]

Run = Callable[[Config, Callable[[str], None]], Path]
"""(config, what is told) → the run folder."""

RUNS = ("train", "evaluate", "answers")


def run_of(kind: str) -> Run:
    """What the command ``kind``, of :data:`RUNS`, runs; imported when it is asked for."""
    if kind == "train":
        from rdbound.runs.train import train_run

        return train_run
    if kind == "evaluate":
        from rdbound.runs.evaluate import evaluate_run

        return lambda config, say: evaluate_run(config)
    from rdbound.runs.known_answers import answers_run

    return answers_run
