"""Commands that train, evaluate, and move trained models."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rdbound.cli.shared import Force, Outside, command
from rdbound.runs.progress import Terminal
from rdbound.utils.progress import LOG

if TYPE_CHECKING:
    from rdbound.config import Config
    from rdbound.runs.parallel.sweep import Runner

__all__: list[str] = []

_Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of the configuration.")]
_Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Changes of the configuration, by dotted keys."),
]
_Output = Annotated[
    str | None, typer.Option(metavar="FOLDER", help="Run folder, in place of the configuration's.")
]
_Engine = Annotated[
    Literal["serial", "local", "slurm"],
    typer.Option(
        help="How the cells of a sweep, or the shards of an evaluation, run: one after another, "
        "in --jobs processes, or as an array of Slurm jobs."
    ),
]
_Jobs = Annotated[int, typer.Option(min=1, metavar="N", help="Number of jobs that run at once.")]
_Partition = Annotated[str | None, typer.Option(help="Partition of Slurm.")]
_Gpus = Annotated[int, typer.Option(min=0, metavar="N", help="Number of GPUs of a Slurm job.")]
_Time = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="MINUTES",
        help="Time limit of a Slurm job; a job that takes longer resumes in another.",
    ),
]


@command("quickstart", computes=True)
def _quickstart(
    terminal: Terminal,
    output: Annotated[str, typer.Option(metavar="FOLDER", help="Run folder.")] = "runs/quickstart",
) -> None:
    """Evaluate the shipped models on three photographs."""
    from rdbound.runs.quickstart import quickstart

    quickstart(output, terminal.progress)


@command("train", computes=True)
def _train(
    terminal: Terminal,
    config: _Config,
    overrides: _Overrides = None,
    output: _Output = None,
    engine: _Engine = "serial",
    jobs: _Jobs = 2,
    partition: _Partition = None,
    gpus: _Gpus = 0,
    time: _Time = 1440,
    coordinator: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Address of the first of several processes that train one model together, each "
            "started by this command; auto: from the environment of Slurm.",
        ),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Number of training processes.")
    ] = None,
    process: Annotated[
        int | None, typer.Option(min=0, metavar="K", help="Index of this process, from 0.")
    ] = None,
) -> None:
    """Train a model from a configuration, or resume a run."""
    if coordinator is None:
        if processes is not None or process is not None:
            raise ValueError("--processes and --process need --coordinator HOST:PORT")
        slurm = {"partition": partition, "gpus": gpus, "minutes": time}
        _run("train", terminal, _loaded(config, overrides, output), engine, jobs, slurm)
        return
    if engine != "serial":
        raise ValueError("--coordinator trains one model: no other engine")
    _train_together(terminal, _loaded(config, overrides, output), coordinator, processes, process)


def _add_run(kind: str, text: str) -> None:
    """Add a command that runs a configuration."""

    def run(
        terminal: Terminal,
        config: _Config,
        overrides: _Overrides = None,
        output: _Output = None,
        engine: _Engine = "serial",
        jobs: _Jobs = 2,
        partition: _Partition = None,
        gpus: _Gpus = 0,
        time: _Time = 1440,
    ) -> None:
        slurm = {"partition": partition, "gpus": gpus, "minutes": time}
        _run(kind, terminal, _loaded(config, overrides, output), engine, jobs, slurm)

    run.__doc__ = text
    command(kind, computes=True)(run)


_add_run("evaluate", "Evaluate checkpoints into an RD table and a report.")
_add_run("answers", "Estimate R(D) of sources by several methods.")


@command("status")
def _status(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Folder of a sweep, of an evaluation in shards, or of one run."
        ),
    ],
) -> None:
    """Show the status of a sweep or of shards."""
    from rdbound.report.markdown import block_lines
    from rdbound.runs.parallel.launchers import status_table

    LOG.info("\n".join(block_lines(status_table(folder))))


@command("export")
def _export(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the training run.")],
    output: Annotated[Path, typer.Argument(metavar="FILE", help="Safetensors file to write.")],
    force: Force = False,
    model: Outside = None,
) -> None:
    """Write the averaged weights of a training run.

    The run need not be finished.
    """
    from rdbound.runs.export import export_run
    from rdbound.utils.atomic_files import refuse_overwriting

    target = refuse_overwriting(output, force)
    step = export_run(folder, target, model or ())
    LOG.info(f"{target}: the averaged weights of step {step}")


@command("import")
def _import(
    library: Annotated[
        Literal["compressai"],
        typer.Argument(metavar="LIBRARY", help="Library of the file: compressai."),
    ],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="File: .pth, .pth.tar or .safetensors.")
    ],
    architecture: Annotated[
        str,
        typer.Option(
            help="Architecture: bmshj2018-factorized, bmshj2018-hyperprior or mbt2018-mean."
        ),
    ],
    lmbda: Annotated[
        float, typer.Option("--lmbda", "--lambda", help="Trade-off λ the model was trained for.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Safetensors file to write.")],
    form: Annotated[
        Literal["codec", "bound"],
        typer.Option(help="Family of the priors; a bound has Gaussian posteriors."),
    ] = "codec",
    force: Force = False,
) -> None:
    """Convert a model of another library to a checkpoint."""
    from rdbound.checkpoints.compressai import import_compressai
    from rdbound.utils.atomic_files import refuse_overwriting

    target = refuse_overwriting(output, force, file)
    LOG.info(import_compressai(file, target, architecture, lmbda, form))


@command("verify", computes=True)
def _verify(
    terminal: Terminal,
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for the table answers.csv.")
    ] = None,
) -> int:
    """Compare every estimator with known answers (minutes).

    The exit code is 1 if a bound lies on the wrong side of the truth.
    """
    from rdbound.runs.known_answers import verify

    return 0 if verify(output, terminal.progress) else 1


def _loaded(config: Path, overrides: list[str] | None, output: str | None) -> "Config":
    from rdbound.config import load_config

    chosen = [] if output is None else [f"output={json.dumps(output)}"]
    return load_config(config, [*(overrides or ()), *chosen])


def _run(
    kind: str, terminal: Terminal, config: "Config", engine: str, jobs: int, slurm: dict[str, Any]
) -> None:
    """Run a configuration, or every cell of its sweep, by the chosen engine."""
    from rdbound.config.sweep import is_sweep
    from rdbound.runs.parallel.launchers import SHARDS, run_of
    from rdbound.runs.parallel.shards import evaluate_in_shards
    from rdbound.runs.parallel.sweep import each_cell

    folder, alone = Path(config.output), not is_sweep(config)
    if kind == "evaluate" and alone and engine != "serial":
        runner = _runner(kind, folder / SHARDS, engine, jobs, slurm)
        assert runner is not None
        evaluate_in_shards(config, jobs, runner, terminal.progress)
    else:
        runner = _runner(kind, folder.parent if alone else folder, engine, jobs, slurm)
        each_cell(config, run_of(kind), runner, terminal.progress)


def _runner(
    kind: str, folder: Path, engine: str, jobs: int, slurm: dict[str, Any]
) -> "Runner | None":
    """Return the runner of cells in ``folder``, or None to run them in this process."""
    from rdbound.runs.parallel.launchers import SlurmOptions, by_commands, by_submitit

    if engine == "local":
        return by_commands(kind, folder, jobs)
    if engine == "slurm":
        return by_submitit(kind, folder, SlurmOptions(at_once=jobs, **slurm))
    return None


def _train_together(
    terminal: Terminal, config: "Config", coordinator: str, count: int | None, index: int | None
) -> None:
    """Train one model as one of several processes."""
    from rdbound.config.sweep import is_sweep
    from rdbound.optimization import multihost
    from rdbound.runs.train import train_run

    if is_sweep(config):
        raise ValueError("--coordinator trains one model: no sweep")
    if coordinator != multihost.CLUSTER and None in (count, index):
        raise ValueError("--coordinator HOST:PORT needs --processes N and --process K")
    multihost.start(coordinator, count, index)
    if not multihost.is_first():
        terminal.mute()
    train_run(config, terminal.progress)
