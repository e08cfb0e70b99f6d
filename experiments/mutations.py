"""Do the tests notice when a number is computed wrongly?

Every entry of mutations.yaml is one wrong line: a sign, a factor, an order, a key. Each
is made by itself in a scratch copy of the tree, and the tests that should notice it are
run there. Exits with 1 where one survives, where the text it replaces is not found
exactly once, or where the named tests fail without any mutation.

    python experiments/mutations.py [--only NAME ...] [--jobs N]

Forty minutes with --jobs 2 on two cores that others used too; XLA's programs are kept, and
the next run is quicker.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import yaml

from rdbound.report.document import Table
from rdbound.report.markdown import block_lines

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("rdbound", "tests", "configs", "pyproject.toml")
LONGEST = 900  # seconds of one run
FIRST = re.compile(r"^(?:FAILED|ERROR) (\S+::.*?)(?: - |$)", re.MULTILINE)


class Mutation(NamedTuple):
    """``old`` in ``file`` becomes ``new``; one of ``tests`` should fail."""

    name: str
    file: str
    old: str
    new: str
    tests: list[str]

    def mutated(self) -> str | None:
        """The file's text with the mutation; None where ``old`` is not there exactly once."""
        path = ROOT / self.file
        text = path.read_text() if path.exists() else ""
        return text.replace(self.old, self.new) if text.count(self.old) == 1 else None


class Outcome(NamedTuple):
    """What became of a mutation: the test that ``caught`` it, or else what is ``wrong``."""

    mutation: Mutation
    caught: str
    wrong: str
    seconds: float


def known() -> list[Mutation]:
    """The table; ValueError where two have one name."""
    entries = yaml.safe_load((Path(__file__).with_suffix(".yaml")).read_text())
    mutations = [Mutation(**entry) for entry in entries]
    names = [m.name for m in mutations]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two mutations are called {twice[0]}")
    return mutations


def copied(folder: Path) -> Path:
    """A scratch copy of what the tests need."""
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            skipped = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=skipped)
        else:
            shutil.copy(source, folder / name)
    return folder


def tested(folder: Path, tests: Sequence[str]) -> subprocess.CompletedProcess:
    """Pytest in a copy, up to the first failure; raises TimeoutExpired."""
    cache = ROOT / ".pytest_cache" / "d" / "jax"  # that of the tests themselves
    environment = os.environ | {
        "PYTHONPATH": str(folder),
        # Of a file changed twice in a second the compiled one may be the older.
        "PYTHONDONTWRITEBYTECODE": "1",
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
    }
    options = "-n0 -x -q --tb=no -rfE --hypothesis-seed=0 -p no:cacheprovider"
    command = [sys.executable, "-m", "pytest", *options.split(), "-m", "slow or not slow", *tests]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST
    )


def tried(mutation: Mutation, copies: SimpleQueue) -> Outcome:
    """One mutation in one of the copies, which is as before afterwards."""
    text = mutation.mutated()
    if text is None:
        return Outcome(mutation, "", "STALE: its old text is not there exactly once", 0.0)
    folder, start = copies.get(), time.monotonic()
    target = folder / mutation.file
    before = target.read_text()
    try:
        target.write_text(text)
        run = tested(folder, mutation.tests)
        first = FIRST.search(run.stdout)
        caught = first[1] if first else ""
        wrong = "" if caught else "SURVIVES" if run.returncode == 0 else _last_line(run)
    except subprocess.TimeoutExpired:
        caught, wrong = "", f"BROKEN: not done after {LONGEST} seconds"
    finally:
        target.write_text(before)
        copies.put(folder)
    return Outcome(mutation, caught, wrong, time.monotonic() - start)


def _last_line(run: subprocess.CompletedProcess) -> str:
    lines = (run.stdout + run.stderr).strip().splitlines() or ["nothing said"]
    return f"BROKEN: {lines[-1]}"


def selected(names: Sequence[str]) -> list[Mutation]:
    """Those called ``names``, all where there are none; ValueError for an unknown one."""
    mutations = known()
    unknown = sorted(set(names) - {m.name for m in mutations})
    if unknown:
        raise ValueError(f"unknown mutation {unknown[0]!r}")
    return [m for m in mutations if not names or m.name in names]


def unmutated(tests: Sequence[str], copies: SimpleQueue) -> str:
    """What is wrong with tests of one file where nothing is mutated; empty where they pass."""
    folder = copies.get()
    try:
        run = tested(folder, tests)
    except subprocess.TimeoutExpired:
        return f"{tests[0]}: not done after {LONGEST} seconds"
    finally:
        copies.put(folder)
    return "" if run.returncode == 0 else run.stdout[-2000:] + run.stderr[-2000:]


def by_file(mutations: Sequence[Mutation]) -> list[list[str]]:
    """All the tests that are named, those of one file together: a process each, for its memory."""
    files: dict[str, set[str]] = {}
    for test in {test for m in mutations for test in m.tests}:
        files.setdefault(test.partition("::")[0], set()).add(test)
    return [[file] if file in tests else sorted(tests) for file, tests in sorted(files.items())]


def run_all(mutations: Sequence[Mutation], jobs: int) -> list[Outcome] | None:
    """Every outcome, in order; None where the tests fail by themselves."""
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(jobs) as pool:
        copies: SimpleQueue = SimpleQueue()
        for job in range(jobs):
            folder = Path(scratch) / str(job)
            folder.mkdir()
            copies.put(copied(folder))
        files, start = by_file(mutations), time.monotonic()
        failures = list(filter(None, pool.map(lambda tests: unmutated(tests, copies), files)))
        if failures:
            print("The tests fail without a mutation:", *failures, sep="\n")
            return None
        seconds = time.monotonic() - start
        print(f"{len(files)} files pass without a mutation, {seconds:.0f} s", flush=True)
        outcomes = []
        for outcome in pool.map(lambda m: tried(m, copies), mutations):
            outcomes.append(outcome)
            print(
                f"{outcome.mutation.name}: {outcome.wrong or outcome.caught}, "
                f"{outcome.seconds:.0f} s",
                flush=True,
            )
        return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these alone")
    parser.add_argument("--jobs", type=int, default=1, help="at a time")
    arguments = parser.parse_args()
    try:
        mutations = selected(arguments.only)
    except ValueError as error:
        parser.error(str(error))
    outcomes = run_all(mutations, max(1, arguments.jobs))
    if outcomes is None:
        return 1
    body = [
        [o.mutation.name, o.mutation.file, o.caught or o.wrong, f"{o.seconds:.0f}"]
        for o in outcomes
    ]
    print("\n".join(block_lines(Table(["mutation", "file", "caught by", "seconds"], body))))
    alive = [o.mutation.name for o in outcomes if o.wrong]
    print(
        f"{len(outcomes) - len(alive)} of {len(outcomes)} are caught"
        + (f"; not: {', '.join(alive)}" if alive else ".")
    )
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
