"""One answer, to change in tests."""

import dataclasses

from rdbound.tables.estimates import Answer


def make_answer(**changes) -> Answer:
    base = Answer(
        source="s",
        method="m",
        side="upper",
        lmbda=1.0,
        rate=0.5,
        distortion=0.5,
        standard_error=0.01,
        exact_rate=0.5,
        exact_slope=1.0,
        exact_J=1.0,
        seconds=0.1,
    )
    return dataclasses.replace(base, **changes)
