"""Read what a registry holds from the source of the package, without importing it.

Importing channels, coders, models or sources imports JAX, which takes seconds; a list of names
and descriptions should not.
"""

import ast
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

__all__ = ["registered"]

_ROOT = Path(str(resources.files("rdbound")))


class _Defined:
    """A function or class of the source, or anything that is not known: only text is kept.

    Calling it returns its first argument, so that ``partial(ResHyper, size)`` is ``ResHyper``.

    Attributes:
      description: first paragraph of the docstring.
    """

    def __init__(self, node: ast.FunctionDef | ast.ClassDef | None = None) -> None:
        text = "" if node is None else ast.get_docstring(node) or ""
        self.description = " ".join(text.partition("\n\n")[0].split())
        for part in [] if node is None else node.body:
            for name, value in _assigned([part]).items():
                if isinstance(value, ast.Constant):
                    setattr(self, name, value.value)

    def __call__(self, *arguments: Any, **_: Any) -> Any:
        return arguments[0] if arguments else self

    def __getattr__(self, name: str) -> "_Defined":
        return _Defined()


def registered(module: str, name: str) -> dict[str, str]:
    """Return the names in a registry, each with the first paragraph of its class's docstring.

    Args:
      module: dotted name of the module below ``rdbound``, such as ``channels``.
      name: name of the registry, such as ``CHANNELS``.
    """
    found = _value(module, name)
    return {key: getattr(value, "description", "") for key, value in found.items()}


def _value(module: str, name: str) -> Any:
    """Evaluate a name of a module: dictionaries of the names that its source defines."""
    path = _ROOT.joinpath(*module.split("."))
    body = ast.parse(
        (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
    )
    for node in body.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return _Defined(node)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rdbound."):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _value(str(node.module).removeprefix("rdbound."), alias.name)
    expression = _assigned(body.body).get(name)
    if expression is None:
        return _Defined()
    used = {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
    values = {other: _value(module, other) for other in used}
    code = compile(ast.Expression(expression), module, "eval")
    return eval(code, values)  # noqa: S307 (the source of this package)


def _assigned(body: Iterable[ast.stmt]) -> dict[str, ast.expr]:
    """Return the values that statements assign to names."""
    found: dict[str, ast.expr] = {}
    for node in body:
        if isinstance(node, ast.Assign):
            targets: list[ast.expr] = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        else:
            continue
        assert node.value is not None
        found |= {target.id: node.value for target in targets if isinstance(target, ast.Name)}
    return found
