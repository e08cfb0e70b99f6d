"""Do imported models compute what CompressAI computes? Fixtures of random weights, made by itself.

Runs in an environment of its own, as CompressAI wants another NumPy:

    python -m venv /tmp/compressai && /tmp/compressai/bin/pip install compressai "numpy<2"
    /tmp/compressai/bin/python experiments/compressai_parity.py tests/models/compressai

Writes for every architecture and two sizes ``NAME-N-M.safetensors``, the weights, and
``NAME-N-M.npz``: an image [H, W, 3], uint8, the latents ŷ [H, W, C] and the likelihoods of each
level as CompressAI's ``forward`` in evaluation gives them, a corner of its reconstruction, and all
bits.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from compressai.models import FactorizedPrior, MeanScaleHyperprior, ScaleHyperprior
from safetensors.numpy import save_file

ARCHITECTURES = {
    "bmshj2018-factorized": FactorizedPrior,
    "bmshj2018-hyperprior": ScaleHyperprior,
    "mbt2018-mean": MeanScaleHyperprior,
}
SIZES = ((8, 12), (12, 8))
CORNER = np.s_[:40, :24]  # of the reconstruction, kept
LOUDER = 100.0  # random latents would all be rounded to zero


def _louder(model):
    """Make latents a few units large, medians and scales of use, everything else random too."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith(("beta", "gamma")):
                value.mul_(1 + 0.3 * torch.rand_like(value))
            if "quantiles" in name:
                value[:, 0, 1] = torch.rand(len(value)) - 0.5
            if "factor" in name:
                value.copy_(torch.randn_like(value))
        for layers in [model.g_a, *([model.h_a] if hasattr(model, "h_a") else [])]:
            last = [layer for layer in layers if hasattr(layer, "weight")][-1]
            last.weight.mul_(LOUDER)
        if hasattr(model, "h_s"):
            model.h_s[-1 if hasattr(model.h_s[-1], "weight") else -2].bias.add_(4.0)


def _as_image(x):
    return x[0].permute(1, 2, 0).numpy()


def main() -> None:
    """Write the fixtures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in ARCHITECTURES.items():
        for n, m in SIZES:
            torch.manual_seed(n)
            model = make(n, m).eval()
            _louder(model)
            weights = {k: v.numpy() for k, v in model.state_dict().items() if v.numel()}
            image = torch.randint(0, 256, (64, 128, 3), dtype=torch.uint8)
            x = image.permute(2, 0, 1)[None] / 255
            with torch.no_grad():
                y = model.g_a(x)
                found = model(x)
                if not hasattr(model, "h_a"):
                    y_hat = model.entropy_bottleneck(y)[0]
                else:
                    z = model.h_a(y if name.startswith("mbt") else torch.abs(y))
                    told = model.h_s(model.entropy_bottleneck(z)[0])
                    means = told.chunk(2, 1)[1] if name.startswith("mbt") else None
                    y_hat = model.gaussian_conditional.quantize(y, "dequantize", means)
            bits = -sum(float(torch.log2(p).sum()) for p in found["likelihoods"].values())
            stem = f"{name}-{n}-{m}"
            save_file(
                {k: np.ascontiguousarray(v) for k, v in weights.items()},
                folder / f"{stem}.safetensors",
            )
            likelihoods = {k: _as_image(v) for k, v in found["likelihoods"].items()}
            corner = _as_image(found["x_hat"])[CORNER]
            arrays = {"image": image.numpy(), "y_hat": _as_image(y_hat), "x_hat": corner}
            arrays |= likelihoods | {"bits": bits}
            np.savez_compressed(folder / f"{stem}.npz", **arrays)
            print(
                stem,
                f"{bits:.1f} bits, |ŷ| up to {y_hat.abs().max():.0f}, least likelihood "
                f"{min(p.min() for p in likelihoods.values()):.2g}",
            )


if __name__ == "__main__":
    main()
