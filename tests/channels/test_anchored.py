"""Boxes of the integers: another channel's formula with nothing subtracted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rdbound.channels import make_channel
from rdbound.channels.combinators import AnchoredChannel, anchored
from rdbound.channels.rounding import RoundingChannel
from rdbound.ops.distributions import Gaussian, Mixture

PRIOR = Gaussian(jnp.array([0.3, -1.4, 5.0]), jnp.log(jnp.array([0.5, 1.0, 3.0])))
POSTERIOR = Gaussian(jnp.array([0.6, -0.4, 7.7]), jnp.full(3, -1.0))


def _bits(y):
    scale = np.exp(PRIOR.log_sigma)
    mass = stats.norm.cdf(y + 0.5, PRIOR.mu, scale) - stats.norm.cdf(y - 0.5, PRIOR.mu, scale)
    return -np.log2(mass)


def test_rounding_is_to_integers_and_pays_their_boxes(key):
    sample, bits = make_channel("anchored", of="rounding")(POSTERIOR, PRIOR, key)
    np.testing.assert_array_equal(sample, [1.0, 0.0, 8.0])
    np.testing.assert_allclose(bits, _bits(np.array([1.0, 0.0, 8.0])), rtol=1e-5)
    centred, _ = RoundingChannel()(POSTERIOR, PRIOR, key)
    assert np.abs(np.asarray(centred) - np.rint(centred)).max() > 0.2


def test_annealing_and_levels_are_the_others():
    channel = make_channel("anchored", of={"name": "sga", "options": {"start": 0.0, "final": 0.02}})
    assert channel.random
    assert float(channel.at(0.5).of.temperature) == pytest.approx(0.1, rel=1e-5)
    assert isinstance(channel.at_level(1), AnchoredChannel)
    assert not make_channel("anchored", of="rounding").random


def test_bits_back_samples_z_and_rounds_the_rest(key):
    channel = make_channel("bits-back")
    sample, bits = channel.at_level(0)(POSTERIOR, PRIOR, key)
    expected = POSTERIOR.log_density(sample) - PRIOR.log_density(sample)
    np.testing.assert_allclose(bits, expected / np.log(2), rtol=1e-5, atol=1e-5)
    for level in (1, 2):
        np.testing.assert_array_equal(
            channel.at_level(level)(POSTERIOR, PRIOR, key).sample, [1.0, 0.0, 8.0]
        )
    relaxed = make_channel("bits-back", of="sga")
    assert relaxed.at_level(1).of == make_channel("sga")
    gradient = jax.grad(
        lambda mu: relaxed.at_level(1)(Gaussian(mu, POSTERIOR.log_sigma), PRIOR, key).bits.sum()
    )(POSTERIOR.mu)
    assert (np.asarray(gradient) != 0).all()


def test_a_mixture_is_refused():
    with pytest.raises(ValueError, match="need a Gaussian prior, not Mixture"):
        anchored(Mixture(*(jnp.zeros((3, 1)) for _ in range(3)), jnp.zeros(3)))
