"""The direction of the data flow, over the syntax trees."""

import ast
from pathlib import Path

import rdbound

ROOT = Path(rdbound.__file__).parent
# Each may import itself and what stands before it.
ORDER = ["ops", "channels", "models", "sources", "objective", "training", "refinement", "coding",
         "checkpoint", "evaluation", "theory"]  # fmt: skip
PURE = {"table", "answers", "analysis", "report", "reference"}


def _imports(file: Path) -> set[str]:
    nodes = ast.walk(ast.parse(file.read_text()))
    names = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rdbound"):
            tail = (node.module or "").split(".")[1:]
            names |= {tail[0]} if tail else {alias.name for alias in node.names}
    return names


def _unit(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def test_no_stage_imports_one_to_its_right():
    for file in ROOT.rglob("*.py"):
        unit, imported = _unit(file), _imports(file)
        if unit in ORDER:
            later = set(ORDER[ORDER.index(unit) + 1 :]) | PURE - {"table", "answers", "reference"}
            assert not imported & later, f"{file} imports {imported & later}"
        if unit in PURE:
            assert imported <= PURE, f"{file} imports {imported - PURE}"
        if unit == "models":
            assert "channels" not in imported, file


def test_every_module_lists_what_it_offers():
    for file in ROOT.rglob("*.py"):
        tree = ast.parse(file.read_text())
        targets = [t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets
                   if isinstance(t, ast.Name)]  # fmt: skip
        defines = any(isinstance(n, ast.FunctionDef | ast.ClassDef) for n in tree.body)
        assert ast.get_docstring(tree), f"{file} has no docstring"
        assert "__all__" in targets or not defines, f"{file} has no __all__"


def test_the_top_is_short():
    assert len(rdbound.__all__) <= 10
    assert rdbound.__doc__
