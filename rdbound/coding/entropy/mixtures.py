"""Mixtures of Gaussians whose boxes encoder and decoder agree on, made apart."""

from rdbound.coding.entropy.guard_list import agreed
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.coding.entropy.scale_table import SCALES, EvenGrid
from rdbound.ops.distributions import Mixture, mixture_mass

__all__ = ["agreed_masses"]

# Both machines round a mixture's parameters to these.
_WEIGHTS = EvenGrid(0.0, 2.0**-12, 2**12 + 1)
_OFFSETS = EvenGrid(-512.0, 2.0**-6, 2**16)
_FINE_SCALES = EvenGrid(SCALES.low - 128 * SCALES.step / 8, SCALES.step / 8, 1024)


def agreed_masses(prior: Mixture, stream: Writer | Reader, width: float = 1.0) -> list:
    """(mass, reach) of each channel of [C, K] parameters, see :meth:`Mixture.channel_mass`.

    Args:
      prior: of which each machine has its own floats.
      stream: of the guard lists.
      width: of a box; a mass is of the box around width·r.
    """
    weight, offset, log_sigma = prior.components()
    places = zip((weight, offset, log_sigma), (_WEIGHTS, _OFFSETS, _FINE_SCALES), strict=True)
    w, o, s = (agreed(stream, of.ravel(), grid).reshape(of.shape) for of, grid in places)
    weights = _WEIGHTS.value(w)
    sums = weights.sum(1, keepdims=True)
    return mixture_mass(weights / sums, _OFFSETS.value(o) / width, _FINE_SCALES.scale(s) / width)
