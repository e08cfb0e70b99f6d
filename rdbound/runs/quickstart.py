"""Run the newcomer's example: the shipped checkpoints on three bundled photographs.

It needs no data, no GPU and no network: ``configs/quickstart.yaml``.
"""

import json
from pathlib import Path

from rdbound.config import load_config
from rdbound.runs.evaluate import evaluate_run
from rdbound.utils.progress import LOG, SILENT, Progress
from rdbound.utils.shipped import shipped

__all__ = ["quickstart"]


def quickstart(output: str, progress: Progress = SILENT) -> Path:
    """Evaluate, refine and code the photographs; return the run folder.

    Args:
      output: the run folder.
      progress: receives the progress of the evaluation.

    Raises:
      ValueError: see :func:`rdbound.runs.evaluate.evaluate_run`; for example, ``output`` holds
        another run.
    """
    config = load_config(shipped()["quickstart"], [f"output={json.dumps(output)}"])
    assert config.evaluation is not None
    assert config.evaluation.refinement is not None
    LOG.info(
        "Three photographs from scikit-image (coffee, astronaut, chelsea), cropped to "
        "192×256\npixels, the last to 187×251; a bound and its codec, amortized and refined for "
        f"{config.evaluation.refinement.steps} steps\n"
        "(5000 is the default elsewhere: refined numbers here are not final)."
    )
    folder = evaluate_run(config, progress)
    LOG.info(f"\nIn {folder}: report.md, rd.csv, gaps.csv, figures, config.yaml, streams/")
    return folder
