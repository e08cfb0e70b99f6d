"""Write the pages that are made from the package: API, command line, configuration, checkpoints."""

import ast
import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "rdbound"
FIRST = ("objective", "channels", "models", "coding", "optimization", "evaluation")


def generate() -> None:
    """Write all generated pages, and copy notebooks and figures beside them."""
    for source, target in (("notebooks", "notebooks"), ("experiments/figures", "figures")):
        shutil.rmtree(HERE / target, ignore_errors=True)
        shutil.copytree(HERE.parent / source, HERE / target)
    _write_api(HERE / "reference" / "api")
    (HERE / "reference" / "cli.md").write_text(_command_line())
    _write_output(HERE / "config_table.md", "config-reference")
    (HERE / "checkpoints_list.md").write_text(_cards())


def _write_output(file: Path, *argv: str) -> None:
    """Write what a command prints."""
    from rdbound.cli.main import main

    with file.open("w") as stream, contextlib.redirect_stdout(stream):
        main(list(argv))


def _cards() -> str:
    """Return the cards of the shipped checkpoints, one after another."""
    cards = sorted((PACKAGE / "zoo").glob("*.md"))
    return "\n\n".join(re.sub(r"^#", "##", card.read_text(), flags=re.M) for card in cards)


def _command_line() -> str:
    """Return the page of the command line: the help text of each command."""
    from rdbound.cli.main import commands

    lines = [
        "# Command line",
        "",
        "Exit codes: 0 success, 1 a failed check, 2 a mistake in the call or its files.",
        "",
    ]
    for name, command in sorted(commands().commands.items()):
        context = command.make_context(f"rdbound {name}", [], resilient_parsing=True)
        lines += [f"## {name}", "", "```text", command.get_help(context), "```", ""]
    return "\n".join(lines)


def _write_api(folder: Path) -> None:
    """Write a page for each folder of the package, with every public name of its modules."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    units = sorted(p.name for p in PACKAGE.iterdir() if (p / "__init__.py").exists())
    units = [*FIRST, *(u for u in units if u not in FIRST)]
    for unit in units:
        (folder / f"{unit}.md").write_text(_api_page(unit))
    entries = "\n".join(f"api/{unit}" for unit in units)
    (folder.parent / "api.md").write_text(
        "# Python\n\n"
        + "".join(
            f"```{{eval-rst}}\n.. automodule:: {name}\n```\n\n"
            for name in ("rdbound", "rdbound.api")
        )
        + f":::{{toctree}}\n:maxdepth: 1\n\n{entries}\n:::\n"
    )


def _api_page(unit: str) -> str:
    """Return the page of one folder: a table of all public names, then each module."""
    modules = list(_modules(PACKAGE / unit))
    lines = [f"# rdbound.{unit}", "", _docstring(PACKAGE / unit / "__init__.py"), ""]
    names = [f"~{module}.{name}" for module, file in modules for name in _public(file)]
    if names:
        lines += [
            "```{eval-rst}",
            ".. autosummary::",
            "   :nosignatures:",
            "",
            *(f"   {n}" for n in names),
            "```",
            "",
        ]
    for module, file in modules:
        if _public(file):
            lines += [f"## {module}", "", "```{eval-rst}", f".. automodule:: {module}", "```", ""]
    return "\n".join(lines)


def _modules(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the dotted name and file of each module below a folder."""
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts).removesuffix(".__init__"), file


def _docstring(file: Path) -> str:
    """Return the first paragraph of a module's docstring."""
    return (ast.get_docstring(ast.parse(file.read_text())) or "").split("\n\n")[0]


def _public(file: Path) -> list[str]:
    """Return the names in ``__all__`` that a module defines itself."""
    body = ast.parse(file.read_text()).body
    listed: list[str] = []
    defined: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            if isinstance(target, ast.Name):
                defined.add(target.id)
                if target.id == "__all__":
                    listed = ast.literal_eval(node.value)  # type: ignore[attr-defined]
    return [name for name in listed if name in defined]
