"""Register functions as commands, with the options that several commands share."""

import inspect
import os
import traceback
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

import typer

from rdbound.runs.progress import terminal

__all__ = [
    "Anchor",
    "Force",
    "Interpolation",
    "Outside",
    "app",
    "command",
]

Function = TypeVar("Function", bound=Callable[..., Any])

app = typer.Typer(
    help="How far is a codec from the rate–distortion bound, and why?",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Anchor = Annotated[
    str,
    typer.Option(
        help="Anchor of the BD-rates: a published curve, a CSV of points, or TABLE.csv:METHOD."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing output files.")]
Interpolation = Annotated[
    Literal["pchip", "akima", "cubic"],
    typer.Option("--method", help="Interpolation of the curves."),
]
Outside = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="PACKAGE.MODULE:CLASS",
        help="Class from outside the package that the file may name; repeatable.",
    ),
]
_Device = Annotated[
    str | None,
    typer.Option(
        metavar="cpu|gpu|tpu|N",
        help="Device of the computation; N is the number of a GPU. By default all that JAX finds.",
    ),
]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bars.")]
_Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show what is compiled, and tracebacks of errors.")
]


def command(name: str, computes: bool = False) -> Callable[[Function], Function]:
    """Register a function as the command ``name``.

    The parameters of the function are the arguments and options of the command; a parameter
    ``terminal`` receives the :class:`rdbound.runs.progress.Terminal`. Its docstring is the help
    text. It returns an exit code, or None for 0.

    Args:
      name: name of the command.
      computes: whether the command has the option ``--device``.
    """

    def register(function: Function) -> Function:
        def run(**options: Any) -> int | None:
            quiet, verbose = options.pop("quiet"), options.pop("verbose")
            if verbose:
                os.environ["JAX_LOG_COMPILES"] = "1"
            try:
                if computes:
                    several = options.get("coordinator") is not None
                    _choose_device(options.pop("device"), several)
                with terminal(quiet) as shown:
                    return function(**options, **({"terminal": shown} if takes_terminal else {}))
            except Exception:
                if verbose:
                    traceback.print_exc()
                raise

        parameters = inspect.signature(function).parameters
        takes_terminal = "terminal" in parameters
        own = [parameter for name, parameter in parameters.items() if name != "terminal"]
        own += [_option("device", _Device, None)] if computes else []
        own += [_option("quiet", _Quiet, False), _option("verbose", _Verbose, False)]
        run.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
        app.command(name, help=function.__doc__)(run)
        return function

    return register


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, annotation=annotation, default=default)


def _choose_device(device: str | None, several: bool) -> None:
    """Select the device before JAX is imported, which reads the environment only once.

    Args:
      device: ``cpu``, ``gpu``, ``tpu``, the number of a GPU, or None for JAX's choice.
      several: whether several processes train together, which must join before JAX starts.

    Raises:
      ValueError: there is no such device, or JAX does not find it.
    """
    if device is None:
        return
    if device not in ("cpu", "gpu", "tpu") and not device.isdecimal():
        raise ValueError(f"--device: {device!r} is none of cpu, gpu, tpu, or a GPU's number")
    if device.isdecimal():
        for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
            os.environ[name] = device
    if device == "cpu":
        os.environ["JAX_PLATFORMS"] = device
    elif not several:
        # The platform is not set in the environment: for "gpu" JAX would want every maker's, and
        # callbacks need the CPU as well.
        import jax

        kind = "gpu" if device.isdecimal() else device
        if jax.default_backend() != kind:
            raise ValueError(f"--device: JAX finds no {kind} here, but {jax.default_backend()}")
