"""How fast are training, refinement and evaluation beside PyTorch, on the same network?

Res-hyper is written once more in PyTorch, with the same weights, and shown to give the same
posteriors, prior and image; then both take turns at the same work, and the median of the
ratio is printed. Needs torch (pip install torch), which the package does not.

    python experiments/pytorch_twin.py [--model res-hyper-4] [--repeats 9]

PyTorch runs eagerly, its features channels last; no layer is recomputed in either.
"""

import argparse
import math
import os
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F
from benchmark import HEIGHT, LMBDA, WIDTH, photograph
from flax import nnx

from rdbound.channels import GaussianChannel
from rdbound.models import make_model
from rdbound.models.hyperprior import ResHyper
from rdbound.models.latent_units import (
    HYPER_GAIN,
    LOG_SIGMA_POSTERIOR,
    PIXEL_GAIN,
    UNIT_BOX_VARIANCE,
    latent_unit,
)
from rdbound.objective.datum import whole
from rdbound.objective.objective import clip, objective
from rdbound.optimization.refinement import RefinementOptions, refine
from rdbound.optimization.training_options import TrainingOptions
from rdbound.optimization.training_step import init, make_step

LMBDA_RANGE = (0.0009, 0.0966)
SHORT, LONG = 2, 10  # refinement steps of the two solves whose times are subtracted


def leaky(x):
    """max(x, 0.01·x)."""
    return F.leaky_relu(x, 0.01)


class Twin(torch.nn.Module):
    """The functions of a Res-hyper bound of variable rate, on batches [B, H, W, C]."""

    def __init__(self, model: ResHyper):
        super().__init__()
        self.depths = [len(stack.blocks) for stack in model.analysis.stacks]
        flat = nnx.to_flat_state(nnx.state(model, nnx.Param))
        self.names = {}
        for index, (path, leaf) in enumerate(flat):
            value = torch.from_numpy(np.array(leaf[...]))
            if path[-1] == "kernel":
                # Linear wants [out, in], a convolution [out, in, h, w], channels last.
                value = value.T if value.ndim == 2 else value.permute(3, 2, 0, 1)
                last = torch.channels_last if value.ndim == 4 else torch.contiguous_format
                value = value.contiguous(memory_format=last)
            self.names[".".join(map(str, path))] = f"p{index}"
            self.register_parameter(f"p{index}", torch.nn.Parameter(value))

    def weight(self, name: str) -> torch.Tensor:
        """By its name in the Flax model."""
        return getattr(self, self.names[name])

    def dense(self, name: str, x):
        """A linear layer of the last axis."""
        return F.linear(x, self.weight(f"{name}.kernel"), self.weight(f"{name}.bias"))

    def modulate(self, name: str, x, e):
        """x·(1 + s) + b."""
        scale, shift = self.dense(f"{name}.dense", e)[:, None, None].chunk(2, -1)
        return x * (1.0 + scale) + shift

    def embed(self, lmbda):
        """[B] → [B, 32]."""
        low, high = LMBDA_RANGE
        place = (torch.log(lmbda / low) / math.log(high / low))[:, None]
        angles = place * math.pi * 2.0 ** torch.arange(-1, 7)
        features = torch.cat([place, torch.sin(angles), torch.cos(angles)], -1)
        return leaky(self.dense("embedding.out", leaky(self.dense("embedding.hidden", features))))

    def down(self, name: str, x, f: int):
        """Space to depth and a dense layer."""
        b, h, w, c = x.shape
        x = x.reshape(b, h // f, f, w // f, f, c).transpose(2, 3)
        return self.dense(f"{name}.dense", x.reshape(b, h // f, w // f, f * f * c))

    def up(self, name: str, x, f: int):
        """A dense layer and depth to space."""
        x = self.dense(f"{name}.dense", x)
        b, h, w, c = x.shape
        x = x.reshape(b, h, w, f, f, c // f**2).transpose(2, 3)
        return x.reshape(b, h * f, w * f, c // f**2)

    def block(self, name: str, x, e):
        """FasterBlock."""
        part = x.shape[-1] // 4
        kernel, bias = (self.weight(f"{name}.spatial.{p}") for p in ("kernel", "bias"))
        first = F.conv2d(x[..., :part].permute(0, 3, 1, 2), kernel, bias, padding=1)
        h = torch.cat([first.permute(0, 2, 3, 1), x[..., part:]], -1)
        h = self.modulate(f"{name}.modulate", h, e)
        return x + self.dense(f"{name}.reduce", leaky(self.dense(f"{name}.expand", h)))

    def ladder(self, name: str, x, e, resample, factors, depths):
        """Alternating resamplings and stacks."""
        for i, (factor, depth) in enumerate(zip(factors, depths, strict=True)):
            x = resample(f"{name}.resamplings.{i}", x, factor)
            for j in range(depth):
                x = self.block(f"{name}.stacks.{i}.blocks.{j}", x, e)
        return x

    def infer(self, x, lmbda):
        """[B, H, W, 3] → (μ, ln σ) of z and of y."""
        e, unit = self.embed(lmbda), latent_unit_of(lmbda)
        features = self.ladder(
            "analysis", PIXEL_GAIN * (x - 0.5), e, self.down, (4, 2, 2), self.depths
        )
        mu, log_sigma = self.dense("to_y", features).chunk(2, -1)
        mu = self.modulate("gain_out", mu, e) * unit
        top = self.ladder("hyper_analysis", features, e, self.down, (1, 2, 2), (1, 1, 1))
        z_mu, z_log = self.dense("to_z", top).chunk(2, -1)
        return (HYPER_GAIN * z_mu, z_log + LOG_SIGMA_POSTERIOR), (
            mu,
            log_sigma + LOG_SIGMA_POSTERIOR,
        )

    def prior_of_y(self, z, lmbda):
        """(μ̂, ln σ̂) from z."""
        e, unit = self.embed(lmbda), latent_unit_of(lmbda)
        h = self.ladder("hyper_synthesis", z / HYPER_GAIN, e, self.up, (1, 2, 2), (1, 1, 1))
        mu, log_sigma = self.dense("to_prior", h).chunk(2, -1)
        least = torch.tensor(math.log(UNIT_BOX_VARIANCE))
        return mu * unit, 0.5 * torch.logaddexp(2.0 * (log_sigma + torch.log(unit)), least)

    def image(self, y, lmbda):
        """The reconstruction from y."""
        e = self.embed(lmbda)
        y = self.modulate("gain_in", y / latent_unit_of(lmbda), e)
        h = self.ladder("synthesis", y, e, self.up, (1, 2, 2), self.depths[::-1])
        return self.up("to_x", h, 4) / PIXEL_GAIN + 0.5

    def J(self, x, lmbda, variational=None):
        """R + λD of each datum, with new noise: [B]."""
        (z_mu, z_log), (y_mu, y_log) = self.infer(x, lmbda) if variational is None else variational
        z = z_mu + torch.exp(z_log) * torch.randn_like(z_mu)
        bits = kl_bits(z_mu, z_log, self.weight("top.mu"), self.weight("top.log_sigma"))
        bits = bits + kl_bits(y_mu, y_log, *self.prior_of_y(z, lmbda))
        y = y_mu + torch.exp(y_log) * torch.randn_like(y_mu)
        error = (255.0 * (self.image(y, lmbda) - x)).square().mean((1, 2, 3))
        return bits / (x.shape[1] * x.shape[2]) + lmbda * error


def latent_unit_of(lmbda):
    """The unit of y, [B, 1, 1, 1]."""
    return (float(latent_unit(1.0)) * lmbda.sqrt())[:, None, None, None]


def kl_bits(mu, log_sigma, prior_mu, prior_log):
    """Summed over all but the batch."""
    ratio = torch.exp(2.0 * (log_sigma - prior_log))
    distance = (mu - prior_mu).square() * torch.exp(-2.0 * prior_log)
    nats = prior_log - log_sigma + 0.5 * (ratio + distance - 1.0)
    return nats.sum((1, 2, 3)) / math.log(2.0)


def check_same(model: ResHyper, twin: Twin) -> float:
    """The largest difference of posteriors, prior and image, relative to each one's spread."""
    x = photograph()[None, :128, :128].astype(np.float32) / 255.0
    lmbda = np.float32(LMBDA)
    z, y = model.infer(jnp.asarray(x[0]), jnp.asarray(lmbda))
    p = model.prior(1, (z.mu,), jnp.asarray(lmbda))
    ours = [
        z.mu,
        z.log_sigma,
        y.mu,
        y.log_sigma,
        p.mu,
        p.log_sigma,
        model.synthesize((z.mu, y.mu), jnp.asarray(lmbda)),
    ]
    with torch.no_grad():
        rate = torch.tensor([lmbda])
        of_z, of_y = twin.infer(torch.from_numpy(x), rate)
        theirs = [*of_z, *of_y, *twin.prior_of_y(of_z[0], rate), twin.image(of_y[0], rate)]
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        a, b = np.asarray(a), b[0].numpy()
        worst = max(worst, float(np.abs(a - b).max() / (np.abs(a).max() + 1e-9)))
    if worst > 1e-3:
        raise SystemExit(f"the networks differ, by {worst:.1e} of the largest value")
    return worst


def training(model: ResHyper, twin: Twin) -> tuple[Callable, Callable]:
    """A step of 8 crops of 128×128 with clipping, Adam and the average, in each."""
    options = TrainingOptions(batch=8)
    graphdef, state = nnx.split(model)
    step, replicated, split = make_step(graphdef, GaussianChannel(), options)
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (8, 128, 128, 3), np.uint8)
    batch = jax.device_put(crops, split)
    carry = [jax.device_put(init(nnx.to_pure_dict(state), options), replicated)]

    def ours():
        carry[0], _ = step(carry[0], batch, jax.random.key(0))
        jax.block_until_ready(carry[0])

    weights = list(twin.parameters())
    average = [w.detach().clone() for w in weights]
    adam = torch.optim.Adam(weights, lr=1e-6, foreach=True)
    x = torch.from_numpy(crops)
    low, high = LMBDA_RANGE

    def theirs():
        adam.zero_grad()
        place = (torch.randperm(8) + torch.rand(8)) / 8
        lmbda = low * (high / low) ** place
        weight = (lmbda / math.sqrt(low * high)) ** -options.balance
        (weight * twin.J(x.float() / 255.0, lmbda)).mean().backward()
        torch.nn.utils.clip_grad_norm_(weights, options.clip, foreach=True)
        adam.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, weights, 1.0 - options.ema)

    return ours, theirs


def refinement(model: ResHyper, twin: Twin) -> tuple[Callable, Callable]:
    """``LONG − SHORT`` steps of one image; each returns the seconds that they took."""
    image = photograph().astype(np.float32)[None] / 255.0
    data, lmbdas = jax.vmap(whole)(jnp.asarray(image)), jnp.full(1, LMBDA)
    variational = jax.jit(jax.vmap(model.infer))(data.x, lmbdas)
    keys = jax.random.split(jax.random.key(1), 1)
    solves = []
    for count in (SHORT, LONG):
        options = RefinementOptions(steps=count, check_every=count, check_samples=1)
        solves.append(refine(model, GaussianChannel(), GaussianChannel(), clip, options))

    def ours():
        short, long = (
            timed(lambda s=s: jax.block_until_ready(s(data, variational, lmbdas, keys)))
            for s in solves
        )
        return long - short

    x, lmbda = torch.from_numpy(image), torch.tensor([LMBDA])
    with torch.no_grad():
        start = [t.clone() for pair in twin.infer(x, lmbda) for t in pair]

    def solve(count):
        leaves = [t.clone().requires_grad_() for t in start]
        adam = torch.optim.Adam(leaves, lr=5e-3, foreach=True)
        for _ in range(count):
            gradients = torch.autograd.grad(
                twin.J(x, lmbda, (leaves[:2], leaves[2:])).sum(), leaves
            )
            for leaf, gradient in zip(leaves, gradients, strict=True):
                leaf.grad = gradient
            adam.step()

    def theirs():
        twin.requires_grad_(False)
        seconds = timed(lambda: solve(LONG)) - timed(lambda: solve(SHORT))
        twin.requires_grad_(True)
        return seconds

    return ours, theirs


def evaluation(model: ResHyper, twin: Twin) -> tuple[Callable, Callable]:
    """One forward pass at 512×768."""
    image = photograph().astype(np.float32) / 255.0
    graphdef, params = nnx.split(model)
    run = jax.jit(
        lambda p, x: (
            objective(
                nnx.merge(graphdef, p), GaussianChannel(), whole(x), jax.random.key(0), LMBDA
            ).J
        )
    )
    x = torch.from_numpy(image[None])

    def ours():
        jax.block_until_ready(run(params, jnp.asarray(image)))

    def theirs():
        with torch.no_grad():
            twin.J(x, torch.tensor([LMBDA]))

    return ours, theirs


def timed(run: Callable) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def in_turns(ours: Callable, theirs: Callable, repeats: int) -> tuple[float, float, float]:
    """Median seconds of each, and of their ratio; a call that returns seconds is believed."""
    pairs = []
    for _ in range(repeats + 1):
        row = []
        for run in (ours, theirs):
            start = time.perf_counter()
            told = run()
            row.append(time.perf_counter() - start if told is None else told)
        pairs.append(row)
    kept = np.asarray(pairs[1:])  # the first compiles
    return *np.median(kept, 0), float(np.median(kept[:, 1] / kept[:, 0]))  # type: ignore[return-value]


def main() -> None:
    """Check that both compute the same, take turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="res-hyper-4")
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = make_model(arguments.model, "bound", LMBDA_RANGE)
    twin = Twin(model)
    print(
        f"{arguments.model}: the networks differ by {check_same(model, twin):.1e} at most; "
        f"torch {torch.__version__}, jax {jax.__version__}, "
        f"{torch.get_num_threads()} threads"
    )
    print(f"{'':34}{'ours':>10}{'PyTorch':>10}{'times as fast':>15}")
    for name, work, steps in (
        ("training step, 8 × 128×128", training, 1),
        (f"refinement step, {HEIGHT}×{WIDTH}", refinement, LONG - SHORT),
        (f"evaluation, {HEIGHT}×{WIDTH}", evaluation, 1),
    ):
        ours, theirs, ratio = in_turns(*work(model, twin), arguments.repeats)
        print(f"{name:34}{ours / steps * 1e3:8.0f}ms{theirs / steps * 1e3:8.0f}ms{ratio:15.2f}")


if __name__ == "__main__":
    main()
