"""Res-hyper: the mean–scale hyperprior with residual FasterNet transforms.

The latent structure is that of Minnen, Ballé & Toderici 2018, the transforms
those of Zhang & Liu 2025 (arXiv 2501.12330, §4.1). In a bound both levels are
Gaussian channels and R = KL(q(z) ‖ p(z)) + E KL(q(y) ‖ p(y | z)); in a codec both are
rounded, z with a mixture of Gaussians for its density.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from rdbound.models.hyperprior import Hyperprior
from rdbound.ops.distributions import Gaussian, Prior

__all__ = ["ResHyper"]


class ResHyper(Hyperprior):
    """Two levels: z (stride 64, conveyed first) and y (stride 16).

    Args: as :class:`rdbound.models.hyperprior.Hyperprior`.
    """

    def infer(self, x: jax.Array, lmbda: jax.Array) -> tuple[Gaussian, Gaussian]:
        """Image [H, W, 3] in [0, 1] → posteriors of z [H/64, W/64, N] and y [H/16, W/16, M]."""
        return self.posteriors(x, lmbda)

    def prior(self, level: int, latents: Sequence[jax.Array], lmbda: jax.Array) -> Prior:
        """Level 0: p(z), [N] per channel. Level 1: p(y | z), [H/16, W/16, M]."""
        if level == 0:
            return self.top()
        h = self.hyper_features(latents[0], self.embed(lmbda))
        mu, log_sigma = jnp.split(self.to_prior(h), 2, axis=-1)
        return self.prior_of_y(mu, log_sigma, lmbda)

    def synthesize(self, latents: Sequence[jax.Array], lmbda: jax.Array) -> jax.Array:
        """Latents (z, y) → image [H, W, 3], real-valued."""
        return self.image(latents[1], lmbda)
