"""No two public things share a name, over the syntax trees."""

import ast
from collections import defaultdict
from pathlib import Path

import rdbound

ROOT = Path(rdbound.__file__).parent


def _targets(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    assigned = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {target.id for target in assigned if isinstance(target, ast.Name)}


def _public(file: Path) -> set[str]:
    """What a module lists in ``__all__`` and defines itself."""
    body = ast.parse(file.read_text()).body
    lists = [n.value for n in body if isinstance(n, ast.Assign) and _targets(n) == {"__all__"}]
    listed = set().union(*(ast.literal_eval(value) for value in lists))
    return listed & set().union(*map(_targets, body))


def _clashes(root: Path) -> dict[str, set[str]]:
    places = defaultdict(set)
    for file in root.rglob("*.py"):
        for name in _public(file):
            places[name].add(file.relative_to(root).as_posix())
    return {name: files for name, files in places.items() if len(files) > 1}


def test_a_public_name_is_defined_in_one_module():
    assert not _clashes(ROOT)


def test_a_clash_is_found_and_a_re_export_is_none(tmp_path):
    (tmp_path / "a.py").write_text('__all__ = ["f", "T"]\ndef f(): ...\nT: int = 1\n')
    (tmp_path / "b.py").write_text('from a import f\n__all__ = ["f", "T"]\nT = 2\n')
    assert _clashes(tmp_path) == {"T": {"a.py", "b.py"}}
