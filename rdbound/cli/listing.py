"""Commands that list what there is, and try what is to be trained."""

import argparse
import csv
import sys

from rdbound.cli.cost import cost_of
from rdbound.cli.settings import add_device
from rdbound.cli.shared import Command, add_lmbda, at_least

__all__ = ["add_listing"]


def add_listing(command: Command) -> None:
    """check-model, models, checkpoints, configs, config-reference, references."""
    _add_check(command("check-model", _check_model, "try a model before training it"))
    command("models", _models, "the named models and their cost")
    command("checkpoints", _checkpoints, "the shipped checkpoints")
    sub = command("configs", _configs, "the shipped configs, or a copy of one of them")
    sub.add_argument("name", nargs="?", help="of one that is copied here")
    sub.add_argument("--output", help="file; default: NAME.yaml")
    sub = command("config-reference", _config_reference, "every key of a config, and its meaning")
    sub.add_argument("--json-schema", action="store_true", help="for editors")
    command("references", _references, "the shipped published points and their sources")


def _add_check(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", help="a name, or package.module:Class")
    sub.add_argument("--form", choices=("bound", "codec"), help="default: one after the other")
    add_lmbda(sub, "low [high]; default: 0.0018 0.0483", nargs="+", default=(0.0018, 0.0483))
    sub.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="of it")
    sub.add_argument(
        "--distortion", default="squared-error", help="name or package.module:function"
    )
    sub.add_argument(
        "--dimension", type=at_least(1), help="of vectors, where the model does not say it"
    )
    add_device(sub)


def _check_model(arguments) -> None:
    from rdbound.config.load import parse_pairs
    from rdbound.runs.check_model import check_run

    forms = ("bound", "codec") if arguments.form is None else (arguments.form,)
    options = parse_pairs(arguments.option, "--option", "width=64")
    check_run(
        arguments.model,
        forms,
        arguments.lmbda,
        options,
        arguments.distortion,
        arguments.dimension,
        print,
    )


def _models(arguments) -> None:
    from rdbound.models import MODELS

    print(f"{'name':20}{'parameters':>12}{'encoder':>10}{'decoder':>10}  (kMAC per pixel)")
    for name in MODELS:
        if name == "mlp":
            print(f"{'mlp':20}{'by options':>12}{'–':>10}{'–':>10}  (vectors)", flush=True)
            continue
        c = cost_of(name)
        print(
            f"{name:20}{c.parameters:12,}{c.encoder / 1e3:10.1f}{c.decoder / 1e3:10.1f}", flush=True
        )


def _checkpoints(arguments) -> None:
    from rdbound.checkpoints.checkpoint import zoo

    for name, file in zoo().items():
        print(f"{name}  {file.stat().st_size / 1e6:.1f} MB  card: {file.with_suffix('.md')}")


def _configs(arguments) -> None:
    from pathlib import Path

    from rdbound.config.shipped import described, shipped
    from rdbound.utils.atomic_files import refuse_overwriting
    from rdbound.utils.registry import find

    known = shipped()
    if arguments.name is None:
        for name, file in known.items():
            print(f"{name:32}{described(file)}")
        return
    file = find("config", known, arguments.name.removesuffix(".yaml"))
    target = refuse_overwriting(Path(arguments.output or file.name), force=None)
    target.write_bytes(file.read_bytes())
    print(target)


def _config_reference(arguments) -> None:
    import json

    from rdbound.config.reference import config_keys, json_schema
    from rdbound.report.document import Table
    from rdbound.report.markdown import block_lines

    if arguments.json_schema:
        print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
        return
    rows = [
        (
            f"`{key.path}`",
            key.kind,
            "needed" if key.default is None else f"`{key.default}`",
            key.meaning,
        )
        for key in config_keys()
    ]
    print("\n".join(block_lines(Table(("key", "type", "default", "meaning"), rows))))


def _references(arguments) -> None:
    from rdbound.reference import SOURCES, curves

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("dataset", "method", "kind", "points", "basis", "source"))
    for curve in sorted(curves().values(), key=lambda c: (c.dataset, c.kind, c.method)):
        basis = "per image" if curve.per_image else "means"
        source = SOURCES[curve.source].text
        writer.writerow((curve.dataset, curve.label, curve.kind, len(curve.points), basis, source))
