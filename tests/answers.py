"""One answer, to change in tests."""

import dataclasses

from rdbound.tables.estimates import Answer


def make_answer(**changes) -> Answer:
    base = Answer("s", "m", "upper", 1.0, 0.5, 0.5, 0.01, 0.0, 0.5, 1.0, 1.0, 0.1, "")
    return dataclasses.replace(base, **changes)
