"""The newcomer's run: the shipped pair of checkpoints on three bundled photographs.

It needs no data, no GPU and no network. Its 40 steps of refinement anneal faster than the
defaults, so that the temperature has fallen when they end.
"""

from collections.abc import Callable
from pathlib import Path

from rdbound.config import Config
from rdbound.stages.evaluate import evaluate_run
from rdbound.zoo import BOUND, CODEC

__all__ = ["quickstart", "quickstart_config"]


def quickstart_config(output: str) -> Config:
    """The configuration; ``configs/quickstart.yaml`` is the same in YAML."""
    return Config.model_validate(
        {
            "output": output,
            "evaluation": {
                "checkpoints": (BOUND, CODEC),
                "data": {"source": "bundled-crops"},
                "lmbdas": (0.0018, 0.0067, 0.025),
                "samples": 4,
                "batch": 3,
                "refinement": {
                    "steps": 40,
                    "learning_rate": 0.02,
                    "check_every": 10,
                    "channel": {"name": "sga", "options": {"decay": 0.06, "start": 5}},
                },
                "keep_streams": True,
            },
        }
    )


def quickstart(output: str, say: Callable[[str], None]) -> Path:
    """Evaluate, refine and code the photographs; returns the run folder.

    Raises ValueError as :func:`rdbound.stages.evaluate.evaluate_run`, for example where
    ``output`` holds another run.
    """
    say(
        "Three photographs from scikit-image (coffee, astronaut, chelsea), cropped to "
        "192×256\npixels, the last to 187×251; a bound and its codec, amortized and refined for 40 "
        "steps\n(5000 is the default elsewhere: refined numbers here are not final)."
    )
    folder = evaluate_run(quickstart_config(output), say)
    say(f"\nIn {folder}: report.md, rd.csv, gaps.csv, figures, config.yaml, streams/")
    return folder
