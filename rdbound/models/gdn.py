"""The layers of the first learned codecs: 5×5 convolutions by two, and divisive normalization.

Arrays are one datum, [H, W, C]; padding is by zeros, as it was there.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from rdbound.models.layers import depth_to_space
from rdbound.ops.cpu_kernels import convolution, dense
from rdbound.ops.quantization import lower_bound

__all__ = ["GDN", "Conv", "ConvDown", "ConvUp"]

_PEDESTAL = 2.0**-36
_LEAST_BETA = 1e-6
_LAYOUT = ("NHWC", "HWIO", "NHWC")


class Conv(nnx.Module):
    """A convolution of stride 1, [H, W, C] → [H, W, D].

    Attributes:
      kernel: [k, k, C, D].
      bias: [D].
    """

    def __init__(self, width_in: int, width_out: int, side: int, *, rngs: nnx.Rngs):
        init = nnx.initializers.lecun_normal()
        self.kernel = nnx.Param(init(rngs.params(), (side, side, width_in, width_out)))
        self.bias = nnx.Param(jnp.zeros((width_out,)))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the layer."""
        return convolution(x, self.kernel[...]) + self.bias[...]


class ConvDown(Conv):
    """A convolution of stride 2, [H, W, C] → [H/2, W/2, D]; sides are even."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the layer."""
        kernel = self.kernel[...]
        pad = kernel.shape[0] // 2
        y = jax.lax.conv_general_dilated(
            x[None], kernel, (2, 2), ((pad, pad), (pad, pad)), dimension_numbers=_LAYOUT
        )
        return y[0] + self.bias[...]


class ConvUp(Conv):
    """A transposed 5×5 convolution of stride 2, [H, W, C] → [2H, 2W, D].

    With the kernel w of PyTorch's ``ConvTranspose2d(5, stride=2, padding=2, output_padding=1)``,
    output 2p + a is Σ_i x_i·w[2(p − i) + 2 + a]: for each of the four phases a convolution of
    3×3, computed together and interleaved; XLA's own is many times slower backwards.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the layer."""
        kernel = self.kernel[...]
        width = kernel.shape[-1]
        padded = jnp.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))
        # Rows of taps at i = p − 1, p, p + 1; index 5 is the zero that was padded.
        taps = jnp.array([[4, 2, 0], [5, 3, 1]])
        phases = padded[taps][:, :, taps]  # [a, i, b, j, C, D]
        joint = phases.transpose(1, 3, 4, 0, 2, 5).reshape(3, 3, kernel.shape[2], 4 * width)
        return depth_to_space(convolution(x, joint), 2) + self.bias[...]


class GDN(nnx.Module):
    """Generalized divisive normalization (Ballé, Laparra & Simoncelli 2016), and its inverse.

        y_i = x_i / √(β_i + Σ_j γ_ij·x_j²),  inverse: times the root

    β and γ are kept as roots, so that they stay positive: β = max(·, …)² − 2⁻³⁶.

    Attributes:
      beta: root of β, [C].
      gamma: root of γ, [C (out), C (in)].
    """

    def __init__(self, width: int, inverse: bool = False):
        self.inverse = inverse
        self.beta = nnx.Param(jnp.sqrt(jnp.full((width,), 1.0 + _PEDESTAL)))
        self.gamma = nnx.Param(jnp.sqrt(0.1 * jnp.eye(width) + _PEDESTAL))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the layer, [H, W, C] → [H, W, C]."""
        beta = lower_bound(self.beta[...], (_LEAST_BETA + _PEDESTAL) ** 0.5) ** 2 - _PEDESTAL
        gamma = lower_bound(self.gamma[...], _PEDESTAL**0.5) ** 2 - _PEDESTAL
        root = jnp.sqrt(dense(x * x, gamma.T) + beta)
        return x * root if self.inverse else x / root
