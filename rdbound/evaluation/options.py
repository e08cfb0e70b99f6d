"""How a model is evaluated: options, and the methods that they choose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import jax

from rdbound.channels import Channel, make_channel
from rdbound.evaluation.reconstructions import Pictures
from rdbound.methods import Method, methods_of
from rdbound.optimization.refinement import RefinementOptions

__all__ = ["LMBDAS", "MOST_TOGETHER", "EvaluationOptions", "chosen_methods"]

LMBDAS = (0.0018, 0.0054, 0.0162, 0.0483)
"""Those of Zhang & Liu 2025 (arXiv 2501.12330)."""
MOST_TOGETHER = 64
"""Examples of one shape that ``batch: auto`` tries first on a device that is no CPU."""


@dataclass(frozen=True)
class EvaluationOptions:
    """How a model is evaluated.

    Attributes:
      lmbdas: the trade-offs; None for what the model serves
        (:func:`rdbound.evaluation.evaluate.lmbdas_of`).
      samples: fresh noise samples of a channel that is random.
      refine: None for amortized points only.
      batch: examples of one shape refined at a time; memory grows with it, numbers do not
        depend on it but for rounding. ``auto``: on CPU one a device, elsewhere up to
        :data:`MOST_TOGETHER`, and as many as memory has room for.
      methods: names of methods and of groups of them; None for every method in no group.
      channels: in place of the channels that methods name, by that name: ``gaussian``
        stands for what bounds are judged by, ``sga`` for what codecs are refined through.
      seed: of all noise.
      pictures: where reconstructions are kept to be looked at; None keeps none.
      shard: (k, n) for every n-th task from the k-th alone; None for all.
    """

    lmbdas: tuple[float, ...] | None
    samples: int = 8
    refine: RefinementOptions | None = None
    batch: int | Literal["auto"] = 1
    methods: tuple[str, ...] | None = None
    channels: Mapping[str, Channel] = field(default_factory=dict)
    seed: int = 0
    pictures: Pictures | None = None
    shard: tuple[int, int] | None = None

    @property
    def together(self) -> int:
        """Examples of one shape at a time, as far as memory goes."""
        if self.batch != "auto":
            return self.batch
        return len(jax.devices()) if jax.default_backend() == "cpu" else MOST_TOGETHER

    def channel(self, name: str) -> Channel:
        """The channel that a method calls ``name``; raises ValueError for an unknown one."""
        return self.channels[name] if name in self.channels else make_channel(name)


def chosen_methods(
    form: str, options: EvaluationOptions, vectors: bool = False
) -> tuple[Method, ...]:
    """The methods for a family of priors, in the order of :mod:`rdbound.methods`.

    Those that refine are left out where ``options.refine`` is None, those that only
    images have where ``vectors`` are evaluated, and where ``options.methods`` names
    some or their groups, all others. Raises ValueError for an unknown name.
    """
    return methods_of(form, options.refine is not None, vectors, options.methods)
