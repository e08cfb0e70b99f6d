"""The factorized prior of a top-level latent, one density a channel."""

import jax
import jax.numpy as jnp
from flax import nnx

from rdbound.ops.distributions import Gaussian, Mixture, Prior
from rdbound.ops.quantization import lower_bound

__all__ = ["SCALE_BOUND", "FactorizedPrior", "check_form"]

SCALE_BOUND = 0.11  # lower bound on a codec's prior scale (Ballé et al. 2018 and after)
COMPONENTS = 3


def check_form(form: str) -> str:
    """Return ``form``; raise ValueError unless it is ``bound`` or ``codec``."""
    if form not in ("bound", "codec"):
        raise ValueError(f"unknown form {form!r}: choose 'bound' or 'codec'")
    return form


class FactorizedPrior(nnx.Module):
    """p(z) = ∏ p_c(z_c): Gaussians in a bound, mixtures of three Gaussians in a codec.

    The codec's mixture begins around the bound's Gaussian (the parameters
    ``mu`` and ``log_sigma`` are shared by name), so that a codec can start
    from a bound's weights. In a codec, component k of channel c is

        N(μ_c + offset_ck·σ_c, σ_ck²),  ln σ_ck = max(ln σ_c + spread_ck, ln 0.11)

    with the maximum's gradient of :func:`rdbound.ops.quantization.lower_bound`. The
    bound has no lower bound on its scales: the KL divergence penalizes a narrow prior by
    itself.

    Args:
      width: channels, C.
      form: ``bound`` or ``codec``.
      scale: initial σ of every channel.
    """

    def __init__(self, width: int, form: str, scale: float = 1.0):
        self.form = check_form(form)
        self.mu = nnx.Param(jnp.zeros((width,)))
        self.log_sigma = nnx.Param(jnp.full((width,), jnp.log(scale)))
        if form == "codec":
            spread = jnp.tile(jnp.linspace(-1.0, 1.0, COMPONENTS), (width, 1))
            self.weight = nnx.Param(jnp.zeros((width, COMPONENTS)))
            self.offset = nnx.Param(0.1 * spread)
            self.spread = nnx.Param(0.7 * spread)

    def __call__(self) -> Prior:
        """Return the prior; its parameters [width] are broadcast over positions."""
        mu, log_sigma = self.mu[...], self.log_sigma[...]
        if self.form == "bound":
            return Gaussian(mu, log_sigma)
        sigma = lower_bound(log_sigma[:, None] + self.spread[...], jnp.log(SCALE_BOUND))
        means = mu[:, None] + self.offset[...] * jnp.exp(log_sigma)[:, None]
        return Mixture(jax.nn.log_softmax(self.weight[...], axis=-1), means, sigma, mu)
