"""Where does every estimator of R(D) land on sources whose R(D) is known?

Runs the configs of configs/known_answers (or those given), each a resumable run
of ``rdbound answers``, and puts their tables together: one table, one page of
small multiples, one figure a source.

    python experiments/known_answers.py [--output FOLDER] [CONFIG ...]
"""

import argparse
import re
import sys
from pathlib import Path

from rdbound.analysis.consistency import violations
from rdbound.config import cells, load_config
from rdbound.report.figures.estimates import source_figure
from rdbound.report.sections.estimates import answers_report
from rdbound.report.write import save_figure, write_document
from rdbound.runs.known_answers import answers_run
from rdbound.tables.estimates import read_answers, write_answers

CONFIGS = Path(__file__).parents[1] / "configs" / "known_answers"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", nargs="*", help="default: all of configs/known_answers")
    parser.add_argument("--output", default="runs/known_answers", help="folder of everything")
    arguments = parser.parse_args()
    output = Path(arguments.output)
    answers = []
    for path in map(Path, arguments.configs or sorted(CONFIGS.glob("*.yaml"))):
        for cell in cells(load_config(path, [f"output={output / path.stem}"])):
            answers += read_answers(answers_run(cell) / "answers.csv")
    write_answers(output / "answers.csv", answers)
    write_document(answers_report(answers), output)
    for source in dict.fromkeys(a.source for a in answers):
        of_source = [a for a in answers if a.source == source]
        stem = re.sub(r"[^\w]+", "_", source).strip("_").lower()
        save_figure(source_figure(of_source), output / "figures" / stem)
    found = violations(answers)
    print("\n".join(found) or "No bound lies on the wrong side.")
    print(f"In {output}: answers.csv, answers.png, report.md, figures/")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
