"""Options of an evaluation, and the methods and channels that they choose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import jax

from rdbound.channels import Channel, make_channel
from rdbound.checkpoints.checkpoint import Checkpoint
from rdbound.coding.coders.vbq.coder import vbq_channel
from rdbound.evaluation.reconstructions import Pictures
from rdbound.methods import Method, methods_of
from rdbound.optimization.refinement import RefinementOptions

__all__ = [
    "LMBDAS",
    "MOST_TOGETHER",
    "EvaluationOptions",
    "chosen_methods",
    "evaluation_channel",
    "surrogate_channel",
]

LMBDAS = (0.0018, 0.0054, 0.0162, 0.0483)
"""The trade-offs of Zhang & Liu 2025 (arXiv 2501.12330)."""
MOST_TOGETHER = 64
"""Examples of one shape that ``batch: auto`` tries first on a device that is no CPU."""


@dataclass(frozen=True)
class EvaluationOptions:
    """How a model is evaluated.

    Attributes:
      lmbdas: the trade-offs; None for those that the model serves
        (:func:`rdbound.evaluation.evaluate.lmbdas_of`).
      samples: fresh noise samples of a channel that is random.
      refine: options of refinement; None for amortized points only.
      batch: examples of one shape refined at a time; memory grows with it, numbers do not
        depend on it but for rounding. ``auto``: on CPU one per device, elsewhere up to
        :data:`MOST_TOGETHER`, and as many as memory has room for.
      methods: names of methods and of groups of them, or records of one's own; None for every
        method that applies and is in no group.
      surrogates: options of surrogate channels by the channel's name, such as
        ``{"sga": {"final": 0.01}}``.
      seed: seed of all noise.
      pictures: where reconstructions are kept to be looked at; None keeps none.
      shard: (k, n) for every n-th task from the k-th alone; None for all.
    """

    lmbdas: tuple[float, ...] | None
    samples: int = 8
    refine: RefinementOptions | None = None
    batch: int | Literal["auto"] = 1
    methods: tuple[str | Method, ...] | None = None
    surrogates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seed: int = 0
    pictures: Pictures | None = None
    shard: tuple[int, int] | None = None

    @property
    def together(self) -> int:
        """Number of examples of one shape to take at a time, if memory allows."""
        if self.batch != "auto":
            return self.batch
        return len(jax.devices()) if jax.default_backend() == "cpu" else MOST_TOGETHER


def chosen_methods(
    form: str, options: EvaluationOptions, vectors: bool = False
) -> tuple[Method, ...]:
    """Return the methods of an evaluation, in the order of :mod:`rdbound.methods`.

    Args:
      form: the family of the model's priors, ``bound`` or ``codec``.
      options: name the methods; those that refine are left out if ``options.refine`` is None.
      vectors: whether vectors are evaluated: methods of images alone are left out.

    Raises:
      ValueError: The name of a method or group is unknown.
    """
    refined = options.refine is not None
    if options.methods is None:
        return methods_of(form, refined, vectors)
    names = [method for method in options.methods if isinstance(method, str)]
    own = [method for method in options.methods if isinstance(method, Method)]
    return (
        *methods_of(form, refined, vectors, names),
        *(m for m in own if m.form in (form, None) and (refined or m.surrogate is None)),
    )


def evaluation_channel(method: Method, checkpoint: Checkpoint) -> Channel:
    """Return the channel that a method reports.

    Args:
      method: a method with a channel; code points (``vbq``) are priced by the checkpoint's tables.
      checkpoint: the evaluated model.
    """
    assert method.channel is not None
    if method.channel == "vbq":
        return vbq_channel(checkpoint.tables or {})
    return make_channel(method.channel)


def surrogate_channel(method: Method, options: EvaluationOptions) -> Channel | None:
    """Return the channel that a method refines through; None for an amortized method.

    With ``bits-back`` the surrogate stands for rounding, the level before it is sampled as in the
    evaluation.

    Raises:
      ValueError: ``options.surrogates`` has an option that the channel lacks.
    """
    if method.surrogate is None:
        return None
    channel = make_channel(method.surrogate, **options.surrogates.get(method.surrogate, {}))
    return make_channel("bits-back", of=channel) if method.channel == "bits-back" else channel
