"""Commands that list what the package has, and copy and explain configurations."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from rdbound.cli.shared import command
from rdbound.utils.progress import LOG

__all__: list[str] = []

_REGISTRIES = {
    "models": ("models", "MODELS"),
    "channels": ("channels", "CHANNELS"),
    "coders": ("coding.coders.registry", "CODERS"),
    "sources": ("sources", "SOURCES"),
}


@command("list")
def _list(
    kind: Annotated[
        Literal[
            "checkpoints",
            "models",
            "configs",
            "references",
            "methods",
            "coders",
            "channels",
            "sources",
        ],
        typer.Argument(metavar="KIND", help="What to list."),
    ],
) -> None:
    """List the checkpoints, models, channels and so on."""
    if kind == "references":
        _print_references()
        return
    lines = _described(kind)
    width = max(map(len, lines))
    LOG.info("\n".join(f"{name:{width}}  {text}".rstrip() for name, text in lines.items()))


def _described(kind: str) -> dict[str, str]:
    """Return names and descriptions. Nothing here imports JAX, which takes seconds."""
    if kind == "checkpoints":
        from rdbound.utils.shipped import zoo

        return {
            name: f"{file.stat().st_size / 1e6:.1f} MB  card: {file.with_suffix('.md')}"
            for name, file in zoo().items()
        }
    if kind == "configs":
        from rdbound.utils.shipped import described, shipped

        return {name: described(file) for name, file in shipped().items()}
    if kind == "methods":
        from rdbound.methods import METHODS

        return {
            name: f"{method.kind:6} channel {method.channel or '–'}"
            + (f", refined through {method.surrogate}" if method.surrogate else "")
            + (f", coder {method.coder}" if method.coder else "")
            for name, method in METHODS.items()
        }
    from rdbound.cli.registered import registered

    return registered(*_REGISTRIES[kind])


def _print_references() -> None:
    """Print the published curves and their sources as CSV."""
    import csv

    from rdbound.reference import POINT_SOURCES, curves

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("dataset", "method", "kind", "points", "basis", "source"))
    for curve in sorted(curves().values(), key=lambda c: (c.dataset, c.kind, c.method)):
        basis = "per image" if curve.per_image else "means"
        source = POINT_SOURCES[curve.source].text
        writer.writerow((curve.dataset, curve.label, curve.kind, len(curve.points), basis, source))


@command("config")
def _config(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of a shipped config (rdbound list configs).")
    ],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write; by default NAME.yaml.")
    ] = None,
) -> None:
    """Copy a shipped config into this folder."""
    from rdbound.utils.atomic_files import refuse_overwriting
    from rdbound.utils.registry import find
    from rdbound.utils.shipped import shipped

    file = find("config", shipped(), name.removesuffix(".yaml"))
    target = refuse_overwriting(output or Path(file.name), force=None)
    target.write_bytes(file.read_bytes())
    LOG.info(str(target))


@command("config-reference")
def _config_reference(
    json_schema: Annotated[
        bool, typer.Option("--json-schema", help="Print a JSON Schema, for editors.")
    ] = False,
) -> None:
    """Print every key of a configuration.

    Each with its type, default and meaning.
    """
    import json

    from rdbound.config import reference
    from rdbound.report.document import Table
    from rdbound.report.markdown import block_lines

    if json_schema:
        LOG.info(json.dumps(reference.json_schema(), indent=2, ensure_ascii=False))
        return
    rows = [
        (
            f"`{key.path}`",
            key.kind,
            "needed" if key.default is None else f"`{key.default}`",
            key.meaning,
        )
        for key in reference.config_keys()
    ]
    LOG.info("\n".join(block_lines(Table(("key", "type", "default", "meaning"), rows))))
