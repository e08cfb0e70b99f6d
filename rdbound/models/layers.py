"""Layers of the convolutional models. Arrays are one datum: [H, W, C], no batch.

Batches are ``jax.vmap`` over a whole model. ``dtype`` is the type of a layer's
arithmetic, float32 parameters notwithstanding; ``rngs`` gives initial weights. Some
layers are written by hand because XLA's own are slow on a CPU; the docstrings give times.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from rdbound.models.base import Embedding
from rdbound.ops.cpu_kernels import convolution, dense
from rdbound.ops.extent_mask import Extent, confined

__all__ = [
    "DepthwiseBlock",
    "Down",
    "FasterBlock",
    "Ladder",
    "Linear",
    "Moments",
    "Modulation",
    "RateEmbedding",
    "Spatial",
    "Stack",
    "Up",
    "depth_to_space",
    "depthwise",
    "leaky_relu",
    "set_bias",
    "space_to_depth",
]


def leaky_relu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return max(x, 0.01·x)."""
    return jnp.maximum(x, 0.01 * x)


def space_to_depth(
    x: Float[Array, "h w c"], factor: int
) -> Float[Array, "h//{factor} w//{factor} c*{factor}**2"]:
    """Move blocks of f×f positions to channels, [H, W, C] → [H/f, W/f, f²C]."""
    h, w, c = x.shape
    x = x.reshape(h // factor, factor, w // factor, factor, c)
    return x.transpose(0, 2, 1, 3, 4).reshape(h // factor, w // factor, factor * factor * c)


def depth_to_space(
    x: Float[Array, "h w c"], factor: int
) -> Float[Array, "h*{factor} w*{factor} c//{factor}**2"]:
    """Invert :func:`space_to_depth`, [H, W, f²C] → [fH, fW, C]."""
    h, w, c = x.shape
    x = x.reshape(h, w, factor, factor, c // (factor * factor))
    return x.transpose(0, 2, 1, 3, 4).reshape(h * factor, w * factor, -1)


class Linear(nnx.Linear):
    """``nnx.Linear``, [..., C] → [..., D]; see :mod:`rdbound.ops.cpu_kernels`."""

    def __call__(self, x):
        """Apply the layer."""
        x, kernel, bias = self.promote_dtype(
            (x, self.kernel[...], self.bias[...]), dtype=self.dtype
        )
        return dense(x, kernel) + bias


class Down(nnx.Module):
    """A strided convolution whose kernel equals its stride, [H, W, C] → [H/f, W/f, D].

    Computed as space-to-depth and a dense layer: the same function, with a
    backward pass that is a matrix product.
    """

    def __init__(self, width_in: int, width_out: int, factor: int, *, dtype=None, rngs: nnx.Rngs):
        self.factor = factor
        self.dense = Linear(width_in * factor**2, width_out, dtype=dtype, rngs=rngs)

    def __call__(
        self, x: Float[Array, "h w c"]
    ) -> Float[Array, "h//{self.factor} w//{self.factor} d"]:
        """Apply the layer."""
        return self.dense(space_to_depth(x, self.factor))


class Up(nnx.Module):
    """A dense layer and depth-to-space, [H, W, C] → [fH, fW, D].

    A transposed convolution whose kernel equals its stride, the mirror of :class:`Down`.
    """

    def __init__(self, width_in: int, width_out: int, factor: int, *, dtype=None, rngs: nnx.Rngs):
        self.factor = factor
        self.dense = Linear(width_in, width_out * factor**2, dtype=dtype, rngs=rngs)

    def __call__(
        self, x: Float[Array, "h w c"]
    ) -> Float[Array, "h*{self.factor} w*{self.factor} d"]:
        """Apply the layer."""
        return depth_to_space(self.dense(x), self.factor)


class Moments(Linear):
    """A dense layer whose outputs are means, then as many log-scales: [..., C] → [..., 2·D].

    A type of its own, so that :mod:`rdbound.models.net2net` finds its two groups of outputs.
    """


def set_bias(
    head: nnx.Linear, where: slice | np.ndarray, value: jax.Array | np.ndarray | float
) -> None:
    """Set entries of the bias of a dense layer."""
    assert head.bias is not None
    head.bias[...] = head.bias[...].at[where].set(value)


_FREQUENCIES = 8


class RateEmbedding(nnx.Module):
    """log λ as a vector: sinusoids of its place in the trained range, then an MLP.

    After Duan et al. 2023 (arXiv 2302.08899, §4.3). ``lmbda_range`` is mapped
    to [0, 1]; a λ outside it extrapolates. With p the place,

        [p, sin(π·2^k·p), cos(π·2^k·p)],  k = −1 … 6

    goes through two layers with leaky ReLUs.
    """

    def __init__(self, lmbda_range: tuple[float, float], width: int, *, rngs: nnx.Rngs):
        self.lmbda_range = lmbda_range
        self.hidden = Linear(2 * _FREQUENCIES + 1, 2 * width, rngs=rngs)
        self.out = Linear(2 * width, width, rngs=rngs)

    def __call__(self, lmbda: Float[Array, ""]) -> Float[Array, " width"]:
        """Return the embedding [width] of a scalar λ."""
        low, high = self.lmbda_range
        place = jnp.log(lmbda / low) / jnp.log(high / low)
        angles = place * jnp.pi * 2.0 ** jnp.arange(-1, _FREQUENCIES - 1)
        features = jnp.concatenate([place[None], jnp.sin(angles), jnp.cos(angles)])
        return leaky_relu(self.out(leaky_relu(self.hidden(features))))


class Spatial(nnx.Conv):
    """``nnx.Conv`` of stride 1, of one datum; see :mod:`rdbound.ops.cpu_kernels`."""

    def __call__(
        self, x: Float[Array, "h w c"], extent: Extent | None = None
    ) -> Float[Array, "h w d"]:
        """Apply the layer to the image of this extent, [H, W, C] → [H, W, D]."""
        x, kernel, bias = self.promote_dtype(
            (x, self.kernel[...], self.bias[...]),  # type: ignore[index]
            dtype=self.dtype,
        )
        return convolution(confined(x, extent), kernel) + bias


class Modulation(nnx.Module):
    """x·(1 + s(e)) + b(e) with s and b linear in the rate embedding e.

    Their kernels start at zero: the layers of an untrained model are those of a fixed rate.
    """

    def __init__(self, embedding: int, width: int, *, rngs: nnx.Rngs):
        self.dense = Linear(embedding, 2 * width, kernel_init=nnx.initializers.zeros, rngs=rngs)

    def __call__(self, x: Float[Array, "*shape"], e: Embedding) -> Float[Array, "*shape"]:
        """Modulate ``x`` [..., width] by ``e`` [embedding], or by a constant if ``e`` is None."""
        e = jnp.zeros((1,)) if e is None else e
        scale, shift = jnp.split(self.dense(e).astype(x.dtype), 2)
        return x * (1.0 + scale) + shift


class FasterBlock(nnx.Module):
    """Residual block of FasterNet (Chen et al. 2023, fig. 4), without normalization.

    A 3×3 convolution on the first quarter of the channels, a 1×1 convolution
    that doubles the width, one activation, a 1×1 convolution back. In
    variable-rate models the expanded features are modulated by the embedding.
    """

    def __init__(self, width: int, embedding: int = 0, *, dtype=None, rngs: nnx.Rngs):
        self.part = width // 4
        self.spatial = Spatial(self.part, self.part, (3, 3), dtype=dtype, rngs=rngs)
        self.expand = Linear(width, 2 * width, dtype=dtype, rngs=rngs)
        # A zero last layer starts the block at the identity, which is what
        # lets a deep stack train without normalization.
        zeros = nnx.initializers.zeros
        self.reduce = Linear(2 * width, width, dtype=dtype, kernel_init=zeros, rngs=rngs)
        self.modulate = Modulation(embedding, width, rngs=rngs) if embedding else None

    def __call__(
        self, x: Float[Array, "h w c"], e: Embedding = None, extent: Extent | None = None
    ) -> Float[Array, "h w c"]:
        """Apply the block to the image of this extent, [H, W, width] → [H, W, width]."""
        mixed = self.spatial(x[..., : self.part], extent)
        h = jnp.concatenate([mixed, x[..., self.part :]], axis=-1)
        if self.modulate is not None:
            h = self.modulate(h, e)
        return x + self.reduce(leaky_relu(self.expand(h)))


def depthwise(
    x: Float[Array, "h w c"], kernel: Float[Array, "3 3 c"], extent: Extent | None = None
) -> Float[Array, "h w c"]:
    """Convolve each channel by itself with 3×3 taps and zero padding.

    A sum of nine shifted products, which XLA fuses into one pass: on CPU 20 times
    as fast as its grouped convolution (measured at 8×8×8×384: 0.2 ms against
    5.5 ms, with gradients 1.4 ms against 27 ms).

    Args:
      x: features, [H, W, C].
      kernel: taps, [3, 3, C].
      extent: the size of the image in the array, None if it fills it.

    Returns:
      [H, W, C].
    """
    h, w, _ = x.shape
    padded = jnp.pad(confined(x, extent), ((1, 1), (1, 1), (0, 0)))
    return sum(kernel[i, j] * padded[i : i + h, j : j + w] for i in range(3) for j in range(3))  # type: ignore[return-value]


class DepthwiseBlock(nnx.Module):
    """The depth-wise residual block of DCVC-DC (Li, Li & Lu 2023), [H, W, C] → [H, W, D].

    1×1, leaky ReLU, depth-wise 3×3, 1×1, residual (through a 1×1 of its own
    where C ≠ D); then a gated feed-forward: 1×1 to 4·D, one half times the
    leaky ReLU of the other, 1×1 back, residual. In variable-rate models the
    input of the depth-wise convolution is modulated by the embedding.
    """

    def __init__(
        self, width_in: int, width_out: int, embedding: int = 0, *, dtype=None, rngs: nnx.Rngs
    ):
        kw = {"dtype": dtype, "rngs": rngs}
        zeros = nnx.initializers.zeros
        self.first = Linear(width_in, width_in, **kw)
        init = nnx.initializers.normal(1.0 / 3.0)
        self.kernel = nnx.Param(init(rngs.params(), (3, 3, width_in)))
        self.second = Linear(width_in, width_out, **kw)
        self.skip = Linear(width_in, width_out, **kw) if width_in != width_out else None
        self.modulate = Modulation(embedding, width_in, rngs=rngs) if embedding else None
        self.expand = Linear(width_out, 4 * width_out, **kw)
        self.reduce = Linear(2 * width_out, width_out, kernel_init=zeros, **kw)

    def __call__(
        self, x: Float[Array, "h w c"], e: Embedding = None, extent: Extent | None = None
    ) -> Float[Array, "h w d"]:
        """Apply the block to the image of this extent, [H, W, C] → [H, W, D]."""
        h = leaky_relu(self.first(x))
        if self.modulate is not None:
            h = self.modulate(h, e)
        h = self.second(depthwise(h, self.kernel[...].astype(h.dtype), extent))
        x = h + (x if self.skip is None else self.skip(x))
        a, b = jnp.split(self.expand(x), 2, axis=-1)
        return x + self.reduce(a * jnp.maximum(b, 0.1 * b))


class Stack(nnx.Module):
    """Residual blocks at one resolution, modulated by the rate in variable-rate models."""

    def __init__(self, width: int, depth: int, embedding: int, *, dtype, rngs: nnx.Rngs):
        self.blocks = nnx.List(
            [FasterBlock(width, embedding, dtype=dtype, rngs=rngs) for _ in range(depth)]
        )

    def __call__(
        self, x: Float[Array, "h w c"], e: Embedding, extent: Extent | None = None
    ) -> Float[Array, "h w c"]:
        """Apply the blocks to the image of this extent, [H, W, width] → [H, W, width]."""
        for block in self.blocks:
            x = block(x, e, extent)
        return x


class Ladder(nnx.Module):
    """Alternating resamplings and stacks: an analysis, a synthesis or their hyper twins.

    The resamplings are linear and the stacks start at the identity, so that an
    untrained ladder is a linear transform: see :mod:`rdbound.models.klt_init`.
    """

    def __init__(self, resamplings, stacks):
        self.resamplings = nnx.List(resamplings)
        self.stacks = nnx.List(stacks)

    def __call__(
        self, x: Float[Array, "h w c"], e: Embedding, extent: Extent | None = None
    ) -> Float[Array, "_ _ _"]:
        """Resample and transform at each resolution in turn."""
        for resample, stack in zip(self.resamplings, self.stacks, strict=True):
            x = stack(resample(x), e, extent)
        return x
