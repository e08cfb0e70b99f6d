"""Convert trained models of CompressAI to checkpoints.

A file of PyTorch is read with ``weights_only=True``, which needs torch, and a safetensors file
without it: no code of either is run.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from rdbound.checkpoints.checkpoint import save_checkpoint, with_weights
from rdbound.coding.codecs.fingerprint import flat_weights
from rdbound.models import make_model
from rdbound.models.compressai_models import BALLE
from rdbound.utils.registry import find

__all__ = ["import_compressai", "read_state", "renamed"]

_PARTS = {"g_a": "analysis", "g_s": "synthesis", "h_a": "hyper_analysis", "h_s": "hyper_synthesis"}
_DENSITY = re.compile(
    r"entropy_bottleneck\.(?:_?(matrix|bias|factor)(\d)|(matrices|biases|factors)"
    r"\.(\d))$"
)
_PLURAL = {"matrix": "matrices", "bias": "biases", "factor": "factors"}


def import_compressai(
    source: Path, target: Path, architecture: str, lmbda: float, form: str = "codec"
) -> str:
    """Write a checkpoint of a file's weights, and return a line with its sizes.

    Args:
      source: ``.pth``, ``.pth.tar`` or ``.safetensors`` file of CompressAI.
      target: ``.safetensors`` file to write.
      architecture: name in :data:`rdbound.models.compressai_models.BALLE`.
      lmbda: trade-off λ of the training; CompressAI's λ of the MSE is the same number.
      form: ``codec``, or ``bound`` for the same network with Gaussian posteriors.

    Raises:
      ValueError: the architecture is unknown, the file cannot be read, or its weights are not
        those of the architecture.
    """
    find("architecture", BALLE, architecture)
    state = read_state(source)
    try:
        weights = renamed(state)
        width, latent = _widths(weights)
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"{source}: not the weights of {architecture}: {error}") from None
    spec = {
        "name": architecture,
        "form": form,
        "lmbda": [lmbda, lmbda],
        "width": width,
        "latent": latent,
    }
    model = make_model(**spec)  # type: ignore[arg-type]
    _check(source, architecture, flat_weights(model), weights)
    save_checkpoint(target, with_weights(model, weights), spec)
    return f"{target}: {architecture}, N = {width}, M = {latent}, λ = {lmbda:g}, form {form}"


def read_state(source: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file by name.

    Raises:
      ValueError: there is no such file, or it holds anything but arrays.
    """
    if not source.is_file():
        raise ValueError(f"{source}: no such file")
    if source.suffix == ".safetensors":
        try:
            return dict(load_file(source))
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{source}: not a safetensors file: {error}") from None
    try:
        import torch
    except ImportError:
        raise ValueError(
            f"{source}: a file of PyTorch is read by it: pip install 'rdbound[compressai]', or "
            "save the weights as safetensors"
        ) from None
    try:
        found: Any = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{source}: PyTorch does not read it as weights alone: {reason}") from None
    found = found.get("state_dict", found) if isinstance(found, Mapping) else None
    tensors = found is not None and all(isinstance(v, torch.Tensor) for v in found.values())
    if found is None or not tensors:
        raise ValueError(f"{source}: holds no state_dict of tensors")
    return {str(name): value.float().numpy() for name, value in found.items()}


def renamed(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return weights with the names and axes of this package, without derived buffers."""
    found: dict[str, np.ndarray] = {}
    for name, value in state.items():
        name = name.removeprefix("module.")
        if match := _DENSITY.match(name):
            single, k, plural, j = match.groups()
            kind = plural or _PLURAL[single]
            place = f"top.{kind}.{k or j}"
            found[place] = value if kind == "matrices" else value[..., 0]
        elif name == "entropy_bottleneck.quantiles":
            found["top.centre"] = value[:, 0, 1]
        elif (part := name.partition("."))[0] in _PARTS:
            found |= _layer(_PARTS[part[0]], part[2], value)
    return found


def _layer(part: str, name: str, value: np.ndarray) -> dict[str, np.ndarray]:
    """Return a layer's weight; the indexes of hyper-transforms skip the nonlinearities."""
    place, _, what = name.partition(".")
    index = int(place) // 2 if part.startswith("hyper") else int(place)
    stem = f"{part}.{index}"
    if what == "weight":
        return {f"{stem}.kernel": value.transpose(*_axes(part, value))}
    return {f"{stem}.{what}": value} if what in ("bias", "beta", "gamma") else {}


def _axes(part: str, value: np.ndarray) -> tuple[int, ...]:
    """Return the axes that take a (transposed) convolution's kernel to [h, w, in, out]."""
    transposed = part.endswith("synthesis") and value.shape[-1] == 5
    return (2, 3, 0, 1) if transposed else (2, 3, 1, 0)


def _widths(weights: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """Return the widths (N, M)."""
    last = weights["analysis.6.kernel"].shape
    return int(last[2]), int(last[3])


def _check(
    source: Path,
    architecture: str,
    wanted: Mapping[str, np.ndarray],
    found: Mapping[str, np.ndarray],
) -> None:
    for name, value in wanted.items():
        if name not in found:
            raise ValueError(f"{source}: not the weights of {architecture}: it lacks {name}")
        if found[name].shape != value.shape:
            raise ValueError(
                f"{source}: not the weights of {architecture}: {name} is {found[name].shape}, "
                f"not {value.shape}"
            )
    if more := sorted(found.keys() - wanted.keys()):
        raise ValueError(f"{source}: not the weights of {architecture}: it has {more[0]} too")
