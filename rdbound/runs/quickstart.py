"""The newcomer's run: the shipped pair of checkpoints on three bundled photographs.

It needs no data, no GPU and no network: ``configs/quickstart.yaml``.
"""

import json
from collections.abc import Callable
from pathlib import Path

from rdbound.config import load_config
from rdbound.config.shipped import shipped
from rdbound.runs.evaluate import evaluate_run

__all__ = ["quickstart"]


def quickstart(output: str, say: Callable[[str], None]) -> Path:
    """Evaluate, refine and code the photographs; returns the run folder.

    Raises ValueError as :func:`rdbound.runs.evaluate.evaluate_run`, for example where
    ``output`` holds another run.
    """
    config = load_config(shipped()["quickstart"], [f"output={json.dumps(output)}"])
    assert config.evaluation is not None
    assert config.evaluation.refinement is not None
    say(
        "Three photographs from scikit-image (coffee, astronaut, chelsea), cropped to "
        "192×256\npixels, the last to 187×251; a bound and its codec, amortized and refined for "
        f"{config.evaluation.refinement.steps} steps\n"
        "(5000 is the default elsewhere: refined numbers here are not final)."
    )
    folder = evaluate_run(config)
    say(f"\nIn {folder}: report.md, rd.csv, gaps.csv, figures, config.yaml, streams/")
    return folder
