"""The direction of the data flow, over the syntax trees."""

import ast
from pathlib import Path

import rdbound

ROOT = Path(rdbound.__file__).parent
# Each folder may import itself and what stands before it.
ORDER = [
    *("zoo", "utils", "ops", "channels", "models", "objective", "optimization", "coding"),
    *("checkpoints", "images", "baselines", "sources", "evaluation", "theory", "config"),
]
# Effects: they may import anything, nothing else imports them.
EDGE = {"runs", "cli", "__main__", "api", "__init__"}
PURE = {"tables", "methods", "analysis", "report", "reference"}
NEEDED = {"tables", "methods", "reference"}  # on the way to a table
# Formulas and files without a model, which tables and reports may use.
SHARED = {"theory.one_shot_bounds", "utils.atomic_files"}


def _imports(file: Path) -> set[str]:
    nodes = ast.walk(ast.parse(file.read_text()))
    names = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rdbound"):
            tail = (node.module or "").split(".")[1:]
            whole = {".".join(tail)} & SHARED
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
            assert imported <= PURE | SHARED, f"{file} imports {imported - PURE - SHARED}"
        if unit == "models":
            assert not imported & {"channels", "objective"}, file
        if unit not in EDGE:
            assert not imported & EDGE, f"{file} imports {imported & EDGE}"


def test_every_module_lists_what_it_offers():
    for file in ROOT.rglob("*.py"):
        tree = ast.parse(file.read_text())
        targets = [
            t.id
            for n in tree.body
            if isinstance(n, ast.Assign | ast.AnnAssign)
            for t in (n.targets if isinstance(n, ast.Assign) else [n.target])
            if isinstance(t, ast.Name)
        ]
        defines = any(isinstance(n, ast.FunctionDef | ast.ClassDef) for n in tree.body)
        assert ast.get_docstring(tree), f"{file} has no docstring"
        assert "__all__" in targets or not defines, f"{file} has no __all__"


def test_the_top_is_short():
    assert len(rdbound.__all__) <= 12
    assert rdbound.__doc__
