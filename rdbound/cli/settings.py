"""What every command is told alike: how much it says, and where it computes."""

import argparse
import os

from rdbound.runs.progress import set_quiet

__all__ = ["add_device", "add_verbosity", "settle"]


def add_verbosity(sub: argparse.ArgumentParser) -> None:
    """Options of every command."""
    group = sub.add_mutually_exclusive_group()
    group.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="say what is compiled, and where an error comes from",
    )
    group.add_argument("-q", "--quiet", action="store_true", help="no progress bars")


def add_device(sub: argparse.ArgumentParser) -> None:
    """An option of commands that compute."""
    sub.add_argument(
        "--device",
        type=_device,
        metavar="cpu|gpu|tpu|N",
        help="where to compute, N the number of a GPU; default: what JAX finds, all of it",
    )


def _device(text: str) -> str:
    if text not in ("cpu", "gpu", "tpu") and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is none of cpu, gpu, tpu, or a GPU's number")
    return text


def settle(arguments: argparse.Namespace) -> None:
    """Do as the arguments say, before JAX is imported: it reads the environment once."""
    set_quiet(getattr(arguments, "quiet", False))
    if getattr(arguments, "verbose", False):
        os.environ["JAX_LOG_COMPILES"] = "1"
    device = getattr(arguments, "device", None)
    if device is None:
        return
    if device.isdecimal():
        for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
            os.environ[name] = device
    if device == "cpu":
        os.environ["JAX_PLATFORMS"] = device
    elif getattr(arguments, "coordinator", None) is None:
        _check("gpu" if device.isdecimal() else device)


def _check(kind: str) -> None:
    """Raise ValueError where JAX computes elsewhere.

    Its platforms are not named in the environment: of "gpu" it would want every maker's, and
    callbacks need the CPU beside them.
    """
    import jax

    if jax.default_backend() != kind:
        raise ValueError(f"--device: JAX finds no {kind} here, but {jax.default_backend()}")
