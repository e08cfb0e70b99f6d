"""The direction of the data flow, over the syntax trees."""

import ast
from pathlib import Path

import rdbound

ROOT = Path(rdbound.__file__).parent
# Each may import itself and what stands before it.
ORDER = [
    "verbosity",
    "zoo",
    "registry",
    "ops",
    "programs",
    "channels",
    "models",
    "datum",
    "distortion",
    "walk",
    "reach",
    "windows",
    "cost",
    "hosts",
    "objective",
    "training_files",
    "training_options",
    "training",
    "refinement",
    "fingerprint",
    "coding",
    "checkpoint_weights",
    "checkpoint_file",
    "checkpoint",
    "model_check",
    "images",
    "external",
    "sources",
    "pictures",
    "evaluation_options",
    "examples",
    "judging",
    "bench",
    "evaluation",
    "theory",
    "config",
]
# Effects: they may import anything, nothing else imports them.
EDGE = {"stages", "cli", "commands", "__main__", "api", "__init__"}
PURE = {"writing", "tables", "methods", "analysis", "report", "reference"}
NEEDED = {"writing", "tables", "methods", "reference"}  # on the way to a table


# Formulas without a model, which a report may quote.
FORMULAS = {"theory.one_shot"}


def _imports(file: Path) -> set[str]:
    nodes = ast.walk(ast.parse(file.read_text()))
    names = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rdbound"):
            tail = (node.module or "").split(".")[1:]
            whole = {".".join(tail)} & FORMULAS
            names |= whole or ({tail[0]} if tail else {alias.name for alias in node.names})
    return names


def _unit(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def test_no_stage_imports_one_to_its_right():
    for file in ROOT.rglob("*.py"):
        unit, imported = _unit(file), _imports(file)
        assert unit in {*ORDER, *PURE, *EDGE}, f"{file}: where does it stand?"
        if unit in ORDER:
            later = set(ORDER[ORDER.index(unit) + 1 :]) | PURE - NEEDED
            assert not imported & later, f"{file} imports {imported & later}"
        if unit in PURE:
            assert imported <= PURE | FORMULAS, f"{file} imports {imported - PURE - FORMULAS}"
        if unit == "models":
            assert not imported & {"channels", "walk"}, file
        if unit not in EDGE:
            assert not imported & EDGE, f"{file} imports {imported & EDGE}"


def test_every_module_lists_what_it_offers():
    for file in ROOT.rglob("*.py"):
        tree = ast.parse(file.read_text())
        targets = [
            t.id
            for n in tree.body
            if isinstance(n, ast.Assign)
            for t in n.targets
            if isinstance(t, ast.Name)
        ]
        defines = any(isinstance(n, ast.FunctionDef | ast.ClassDef) for n in tree.body)
        assert ast.get_docstring(tree), f"{file} has no docstring"
        assert "__all__" in targets or not defines, f"{file} has no __all__"


def test_the_top_is_short():
    assert len(rdbound.__all__) <= 12
    assert rdbound.__doc__
