"""Commands that run a configuration."""

import json
from functools import partial
from pathlib import Path

from rdbound.cli.settings import add_device
from rdbound.cli.shared import Command, add_lmbda, add_model, at_least

__all__ = ["add_running"]


def add_running(command: Command) -> None:
    """quickstart, train, evaluate, answers, status, export, import, verify."""
    sub = command("quickstart", _quickstart, "bound, codec and gaps of three photographs")
    sub.add_argument("--output", default="runs/quickstart", help="default: runs/quickstart")
    add_device(sub)
    for name, text in (
        ("train", "train a model from a config"),
        ("evaluate", "evaluate checkpoints into an RD table and a report"),
        ("answers", "estimate R(D) of sources by every method of a config"),
    ):
        sub = command(name, partial(_each_cell, name), text)
        sub.add_argument("config", help="YAML file")
        sub.add_argument("overrides", nargs="*", metavar="key=value", help="dotted overrides")
        sub.add_argument("--output", metavar="FOLDER", help="of the run, in place of the config's")
        add_device(sub)
        _add_engine(sub)
        if name == "train":
            _add_hosts(sub)
    sub = command("status", _status, "what became of the cells of a sweep so far")
    sub.add_argument("folder", help="of the sweep, of the evaluation, or of one run")
    sub = command("export", _export, "the averaged weights of a training run so far, as a file")
    sub.add_argument("folder", help="of the run")
    add_model(sub)
    sub.add_argument("output", help=".safetensors file")
    sub.add_argument("--force", action="store_true", help="overwrite the output")
    sub = command("import", _import, "a trained model of another library as a checkpoint of ours")
    sub.add_argument("library", choices=("compressai",), help="whose file it is")
    sub.add_argument("file", help=".pth, .pth.tar or .safetensors")
    sub.add_argument(
        "--architecture",
        required=True,
        help="bmshj2018-factorized, bmshj2018-hyperprior or mbt2018-mean",
    )
    add_lmbda(sub, "trade-off that it was trained for", required=True)
    sub.add_argument(
        "--form",
        default="codec",
        choices=("codec", "bound"),
        help="bound: with Gaussian posteriors; default: codec",
    )
    sub.add_argument("-o", "--output", required=True, help=".safetensors file")
    sub.add_argument("--force", action="store_true", help="overwrite the output")
    sub = command("verify", _verify, "hold every estimator against known answers (minutes)")
    sub.add_argument("--output", help="folder for the table, answers.csv")
    add_device(sub)


def _add_engine(sub) -> None:
    """Where the cells of a sweep run."""
    sub.add_argument(
        "--engine",
        default="serial",
        choices=("serial", "local", "slurm"),
        help="cells of a sweep, or shares of an evaluation: one after another, by "
        "--jobs processes, or as an array of Slurm's; default: serial",
    )
    sub.add_argument("--jobs", type=at_least(1), default=2, metavar="N", help="at once; default: 2")
    sub.add_argument("--partition", help="of Slurm")
    sub.add_argument(
        "--gpus", type=at_least(0), default=0, metavar="N", help="of a job; default: 0"
    )
    sub.add_argument(
        "--time",
        type=at_least(1),
        default=1440,
        metavar="MINUTES",
        help="of a job, which then goes on in another; default: 1440",
    )


def _add_hosts(sub) -> None:
    """Which of several processes this is, that train one model together."""
    sub.add_argument(
        "--coordinator",
        metavar="HOST:PORT",
        help="of the first of several processes that train one model together, each "
        "started by this command; auto: as Slurm's environment says",
    )
    sub.add_argument("--processes", type=at_least(1), metavar="N", help="of them")
    sub.add_argument("--process", type=at_least(0), metavar="K", help="this one, from 0")


def _status(arguments) -> None:
    from rdbound.report.markdown import block_lines
    from rdbound.runs.parallel.launchers import status_table

    print("\n".join(block_lines(status_table(Path(arguments.folder)))))


def _quickstart(arguments) -> None:
    from rdbound.runs.quickstart import quickstart

    quickstart(arguments.output, print)


def _each_cell(kind: str, arguments) -> None:
    from rdbound.config import load_config
    from rdbound.config.sweep import is_sweep
    from rdbound.runs.parallel.by_name import run_of
    from rdbound.runs.parallel.launchers import SHARDS
    from rdbound.runs.parallel.shards import evaluate_in_shards
    from rdbound.runs.parallel.sweep import each_cell

    chosen = [] if arguments.output is None else [f"output={json.dumps(arguments.output)}"]
    config = load_config(arguments.config, [*arguments.overrides, *chosen])
    output, alone = Path(config.output), not is_sweep(config)
    if kind == "train" and _several(arguments):
        _train_together(config, alone, arguments)
        return
    if kind == "evaluate" and alone and arguments.engine != "serial":
        runner = _runner(arguments, kind, output / SHARDS)
        evaluate_in_shards(config, arguments.jobs, runner, print)
    else:
        runner = _runner(arguments, kind, output.parent if alone else output)
        each_cell(config, run_of(kind), print, runner)


def _several(arguments) -> bool:
    """Whether several processes train together; raises ValueError where half of it is said."""
    if arguments.coordinator is None and (arguments.processes or arguments.process is not None):
        raise ValueError("--processes and --process need --coordinator HOST:PORT")
    return arguments.coordinator is not None


def _train_together(config, alone: bool, arguments) -> None:
    from rdbound.optimization import multihost
    from rdbound.runs.parallel.by_name import run_of

    if not alone or arguments.engine != "serial":
        raise ValueError("--coordinator trains one model: no sweep, and no other engine")
    if arguments.coordinator != multihost.CLUSTER and None in (
        arguments.processes,
        arguments.process,
    ):
        raise ValueError("--coordinator HOST:PORT needs --processes N and --process K")
    multihost.start(arguments.coordinator, arguments.processes, arguments.process)
    run_of("train")(config, print if multihost.is_first() else lambda _: None)


def _runner(arguments, kind: str, folder: Path):
    """Of cells in ``folder``; None for this process."""
    from rdbound.runs.parallel.launchers import SlurmOptions, by_commands, by_submitit

    if arguments.engine == "local":
        return by_commands(kind, folder, arguments.jobs)
    if arguments.engine == "slurm":
        options = SlurmOptions(arguments.partition, arguments.gpus, arguments.time, arguments.jobs)
        return by_submitit(kind, folder, options)
    return None


def _export(arguments) -> None:
    from rdbound.runs.export import export_run
    from rdbound.utils.atomic_files import refuse_overwriting

    target = refuse_overwriting(Path(arguments.output), arguments.force)
    step = export_run(Path(arguments.folder), target, arguments.model)
    print(f"{target}: the averaged weights of step {step}")


def _import(arguments) -> None:
    from rdbound.checkpoints.compressai import import_compressai
    from rdbound.utils.atomic_files import refuse_overwriting

    source = Path(arguments.file)
    target = refuse_overwriting(Path(arguments.output), arguments.force, source)
    print(
        import_compressai(source, target, arguments.architecture, arguments.lmbda, arguments.form)
    )


def _verify(arguments) -> int:
    """Exit code 1 where a bound lies on the wrong side of the truth."""
    from rdbound.runs.known_answers import verify

    output = None if arguments.output is None else Path(arguments.output)
    return 0 if verify(print, output) else 1
