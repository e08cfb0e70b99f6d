"""What are the gaps of a model that CompressAI trained? A small one, by its own code and loss.

Runs in the environment of ``compressai_parity.py``; what it writes is a checkpoint like those of
CompressAI's example, and its weights alone for machines without torch:

    /tmp/compressai/bin/python experiments/compressai_training.py photographs runs/mbt --minutes 12
    for form in codec bound; do
      rdbound import compressai runs/mbt.safetensors --architecture mbt2018-mean --lmbda 0.013 \
        --form $form -o runs/mbt-$form.safetensors
    done

Prints the loss as it trains.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from compressai.losses import RateDistortionLoss
from compressai.models import MeanScaleHyperprior
from compressai.optimizers import net_aux_optimizer
from PIL import Image
from safetensors.numpy import save_file

LMBDA, CHANNELS, BATCH, CROP = 0.013, (64, 96), 8, 128


def main() -> None:
    """Train for some minutes and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path)
    parser.add_argument("stem", type=Path, help="of the files that are written")
    parser.add_argument("--minutes", type=float, default=12.0)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images = _images(arguments.photographs)
    model = MeanScaleHyperprior(*CHANNELS)
    step = _train(model, images, 60 * arguments.minutes)
    model.update(force=True)
    torch.save({"epoch": step, "state_dict": model.state_dict()}, f"{arguments.stem}.pth.tar")
    weights = {k: np.ascontiguousarray(v.numpy()) for k, v in model.state_dict().items()}
    save_file({k: v for k, v in weights.items() if v.size}, f"{arguments.stem}.safetensors")


def _images(folder: Path) -> list[np.ndarray]:
    files = [f for f in sorted(folder.iterdir()) if f.suffix in {".webp", ".png", ".jpg"}]
    found = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    return [image for image in found if min(image.shape[:2]) >= CROP]


def _train(model: MeanScaleHyperprior, images: list[np.ndarray], seconds: float) -> int:
    """As CompressAI's example does, but that the rate of learning falls with the time left."""
    rng, criterion = np.random.default_rng(0), RateDistortionLoss(lmbda=LMBDA)
    both = net_aux_optimizer(
        model, {"net": {"type": "Adam", "lr": 1e-3}, "aux": {"type": "Adam", "lr": 1e-3}}
    )
    start, step, part = time.monotonic(), 0, 0.0
    while part < 1.0:
        for group in both["net"].param_groups:
            group["lr"] = 1e-3 * (0.02 + 0.98 * (1 + np.cos(np.pi * part)) / 2)
        x = torch.stack([_crop(images[rng.integers(len(images))], rng) for _ in range(BATCH)])
        for optimizer in both.values():
            optimizer.zero_grad()
        losses = criterion(model(x), x)
        losses["loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        both["net"].step()
        model.aux_loss().backward()
        both["aux"].step()
        step, part = step + 1, (time.monotonic() - start) / seconds
        if step % 100 == 0:
            told = "  ".join(f"{name} {value.item():.4f}" for name, value in losses.items())
            print(f"{step}  {told}", flush=True)
    return step


def _crop(image: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
    top, left = (rng.integers(size - CROP + 1) for size in image.shape[:2])
    part = image[top : top + CROP, left : left + CROP]
    return torch.from_numpy(part.copy()).permute(2, 0, 1) / 255


if __name__ == "__main__":
    main()
