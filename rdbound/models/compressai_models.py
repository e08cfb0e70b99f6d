"""The base models of the field: factorized, hyperprior and mean–scale hyperprior.

    bmshj2018-factorized   one level y, a learned density a channel (Ballé et al. 2018)
    bmshj2018-hyperprior   z gives the scales of y (Ballé et al. 2018, arXiv 1802.01436)
    mbt2018-mean           z gives means and scales (Minnen et al. 2018, arXiv 1809.02736)

with the layers, widths and padding of CompressAI (Bégaint et al. 2020), so that its trained
weights are theirs (``rdbound import compressai``). λ is fixed.

In a bound, posteriors are Gaussian and p(y | z) has the variance σ̂² + 1/12, what the unit box
adds to a codec's; the density of the first level has no divergence in closed form, so that its
rate is sampled (method ``bound-sampled``).

Their layers are 5×5 convolutions by two and divisive normalization. Arrays are one datum,
[H, W, C]; padding is by zeros, as in CompressAI.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, ScalarLike
from pydantic import validate_call

from rdbound.models.base import cells_reached
from rdbound.models.factorized_prior import SCALE_BOUND, check_form
from rdbound.models.latent_units import LOG_SIGMA_POSTERIOR, scaled_prior
from rdbound.models.layers import depth_to_space, leaky_relu
from rdbound.ops.cpu_kernels import convolution, dense
from rdbound.ops.deep_factorized import Cumulative
from rdbound.ops.distributions import Gaussian, Prior
from rdbound.ops.quantization import lower_bound
from rdbound.utils.registry import OPTIONS

__all__ = ["BALLE", "Balle", "Conv", "ConvDown", "ConvUp", "Density", "GDN"]

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

    def __call__(self, x: Float[Array, "h w c"]) -> Float[Array, "h w d"]:
        """Apply the layer, [H, W, C] → [H, W, D]."""
        return convolution(x, self.kernel[...]) + self.bias[...]


class ConvDown(Conv):
    """A convolution of stride 2, [H, W, C] → [H/2, W/2, D]; sides are even."""

    def __call__(self, x: Float[Array, "h w c"]) -> Float[Array, "h//2 w//2 d"]:
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

    def __call__(self, x: Float[Array, "h w c"]) -> Float[Array, "2*h 2*w d"]:
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

    def __call__(self, x: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        """Normalize, [H, W, C] → [H, W, C]."""
        beta = lower_bound(self.beta[...], (_LEAST_BETA + _PEDESTAL) ** 0.5) ** 2 - _PEDESTAL
        gamma = lower_bound(self.gamma[...], _PEDESTAL**0.5) ** 2 - _PEDESTAL
        root = jnp.sqrt(dense(x * x, gamma.T) + beta)
        return x * root if self.inverse else x / root


_FILTERS = (1, 3, 3, 3, 3, 1)


_INITIAL_SCALE = 10.0


class Density(nnx.Module):
    """The weights of :class:`rdbound.ops.deep_factorized.Cumulative`.

    Args:
      width: channels, C.
      rngs: random streams of the initial weights.
    """

    def __init__(self, width: int, rngs: nnx.Rngs):
        scale = _INITIAL_SCALE ** (1 / (len(_FILTERS) - 1))
        matrices, biases, factors = [], [], []
        for k, (inner, outer) in enumerate(pairwise(_FILTERS)):
            start = float(np.log(np.expm1(1 / scale / outer)))
            matrices.append(nnx.Param(jnp.full((width, outer, inner), start)))
            uniform = jax.random.uniform(rngs.params(), (width, outer), minval=-0.5, maxval=0.5)
            biases.append(nnx.Param(uniform))
            if k < len(_FILTERS) - 2:
                factors.append(nnx.Param(jnp.zeros((width, outer))))
        self.matrices, self.biases = nnx.List(matrices), nnx.List(biases)
        self.factors = nnx.List(factors)
        self.centre = nnx.Param(jnp.zeros((width,)))

    def __call__(self) -> Cumulative:
        """Return the density, its parameters [C, …]."""
        matrices, biases, factors = (
            tuple(p[...] for p in own) for own in (self.matrices, self.biases, self.factors)
        )
        return Cumulative(matrices, biases, factors, self.centre[...])


class Balle(nnx.Module):
    """A factorized-prior, scale-hyperprior or mean–scale-hyperprior model of CompressAI.

    Args:
      kind: ``factorized``, ``scale`` or ``mean-scale``.
      form: ``bound`` or ``codec``; the weights are the same.
      lmbda_range: (λ, λ).
      width: N, channels of the transforms and of z.
      latent: M, channels of y.
      seed: seed of the initial weights.

    Raises:
      ValueError: for an unknown form, or a range of λ.
    """

    @validate_call(config=OPTIONS)
    def __init__(
        self,
        kind: str = "mean-scale",
        form: str = "codec",
        lmbda_range: Sequence[float] = (0.013, 0.013),
        width: int = 192,
        latent: int = 192,
        seed: int = 0,
    ):
        self.form, self.kind = check_form(form), kind
        low, high = self.lmbda_range = (float(lmbda_range[0]), float(lmbda_range[-1]))
        if low != high:
            raise ValueError(f"λ from {low:g} to {high:g}: this model serves one λ")
        self.stride = 16 if kind == "factorized" else 64
        rngs = nnx.Rngs(seed)
        self.analysis = _analysis(width, latent, rngs)
        self.synthesis = _synthesis(width, latent, rngs)
        self.top = Density(latent if kind == "factorized" else width, rngs)
        if kind != "factorized":
            told = 2 * latent if kind == "mean-scale" else latent
            wide = (latent, latent * 3 // 2) if kind == "mean-scale" else (width, width)
            self.hyper_analysis = nnx.List(
                [
                    Conv(latent, width, 3, rngs=rngs),
                    ConvDown(width, width, 5, rngs=rngs),
                    ConvDown(width, width, 5, rngs=rngs),
                ]
            )
            self.hyper_synthesis = nnx.List(
                [
                    ConvUp(width, wide[0], 5, rngs=rngs),
                    ConvUp(wide[0], wide[1], 5, rngs=rngs),
                    Conv(wide[1], told, 3, rngs=rngs),
                ]
            )

    @property
    def reach(self) -> int:
        """Cells that the methods look beyond a place; see ``base.LatentModel``.

        A 5×5 convolution by two looks two inputs to each side, its transpose one.
        """
        down = [(2 * s, 2 * s) for s in (1, 2, 4, 8)]
        up = [(s, s) for s in (16, 8, 4, 2)]
        hyper_down = [(16, 16), (32, 32), (64, 64)]
        hyper_up = [(64, 64), (32, 32), (16, 16)]
        if self.kind == "factorized":
            return cells_reached(self.stride, down, up)
        return cells_reached(self.stride, down + hyper_down, hyper_up, up)

    @property
    def _bend(self) -> Callable[[jax.Array], jax.Array]:
        """Return the nonlinearity between the layers of the hyper-transforms."""
        return leaky_relu if self.kind == "mean-scale" else jax.nn.relu

    def infer(self, x: Float[Array, "h w 3"], lmbda: ScalarLike) -> tuple[Gaussian, ...]:
        """Return the posteriors of z [H/64, W/64, N], if the kind has it, and y [H/16, W/16, M]."""
        y = x
        for layer in self.analysis:
            y = layer(y)
        if self.kind == "factorized":
            return (_posterior(y),)
        z = _bent(self.hyper_analysis, y if self.kind == "mean-scale" else jnp.abs(y), self._bend)
        return _posterior(z), _posterior(y)

    def prior(
        self, level: int, latents: Sequence[Float[Array, "_ _ _"]], lmbda: ScalarLike
    ) -> Prior:
        """Return a density a channel for level 0, p(y | z) [H/16, W/16, M] for level 1."""
        if level == 0:
            return self.top()
        told = _bent(self.hyper_synthesis, latents[0], self._bend)
        if self.kind == "scale":
            scale, mu = told, jnp.zeros_like(told)
        else:
            scale, mu = jnp.split(told, 2, axis=-1)
        log_sigma = jnp.log(lower_bound(scale, SCALE_BOUND))
        return scaled_prior(self.form, mu, log_sigma, 1.0)

    def synthesize(
        self, latents: Sequence[Float[Array, "_ _ _"]], lmbda: ScalarLike
    ) -> Float[Array, "h w 3"]:
        """Return the image [H, W, 3], real-valued, of the latents."""
        x = latents[-1]
        for layer in self.synthesis:
            x = layer(x)
        return x


def _posterior(mu: Float[Array, "h w m"]) -> Gaussian:
    return Gaussian(mu, jnp.full_like(mu, LOG_SIGMA_POSTERIOR))


def _bent(layers: Sequence[Any], x: jax.Array, bend: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """Apply layers with a nonlinearity between them."""
    for place, layer in enumerate(layers):
        x = layer(bend(x) if place else x)
    return x


def _analysis(width: int, latent: int, rngs: nnx.Rngs) -> nnx.List:
    layers: list[Any] = []
    for inner, outer in ((3, width), (width, width), (width, width), (width, latent)):
        layers += [GDN(width)] if layers else []
        layers.append(ConvDown(inner, outer, 5, rngs=rngs))
    return nnx.List(layers)


def _synthesis(width: int, latent: int, rngs: nnx.Rngs) -> nnx.List:
    layers: list[Any] = []
    for inner, outer in ((latent, width), (width, width), (width, width), (width, 3)):
        layers += [GDN(width, inverse=True)] if layers else []
        layers.append(ConvUp(inner, outer, 5, rngs=rngs))
    return nnx.List(layers)


BALLE = {
    "bmshj2018-factorized": "factorized",
    "bmshj2018-hyperprior": "scale",
    "mbt2018-mean": "mean-scale",
}
"""The kind of each model by its name."""
