"""The plan of an evaluation: λ, methods, tasks and row keys, resolved once, nothing compiled.

    plan = make_plan(checkpoint, examples, options)
    for task in plan.tasks:
        row_keys(plan, task)

A process that only divides the work among others needs no more than this.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from rdbound.channels import Channel
from rdbound.checkpoints.checkpoint import Checkpoint
from rdbound.evaluation.examples import Examples
from rdbound.evaluation.options import (
    LMBDAS,
    EvaluationOptions,
    chosen_methods,
    surrogate_channel,
)
from rdbound.methods import METHODS, Method, methods_of
from rdbound.models.base import check_lmbda, is_lossless

__all__ = ["Group", "Plan", "Task", "distinct", "lmbdas_of", "make_plan", "row_keys"]


class Task(NamedTuple):
    """Examples of one padded shape, at one λ, that are computed together."""

    indexes: tuple[int, ...]
    lmbda: float


class Group(NamedTuple):
    """Methods that share their variational parameters.

    Attributes:
      surrogate: the channel that they are refined through; None for amortized methods.
      posterior: the family of posteriors that refinement moves in.
      evaluated_by: the method whose channel and decoder choose the best of a refinement; None
        for amortized methods.
      methods: the methods.
    """

    surrogate: Channel | None
    posterior: str
    evaluated_by: Method | None
    methods: tuple[Method, ...]


@dataclass(frozen=True)
class Plan:
    """An evaluation of one checkpoint.

    Attributes:
      checkpoint: the model, its tables and its distortion.
      examples: the images or vectors.
      options: how they are evaluated.
      methods: the methods, in the order of their rows.
      lmbdas: the trade-offs.
    """

    checkpoint: Checkpoint
    examples: Examples
    options: EvaluationOptions
    methods: tuple[Method, ...]
    lmbdas: tuple[float, ...]

    @cached_property
    def tasks(self) -> list[Task]:
        """The tasks of the evaluation, or of its shard, in the order of its rows."""
        groups = self.examples.groups(self.checkpoint.model.stride, self.options.together)
        # All λ of a size together: its programs are not kept for ever.
        todo = [Task(indexes, lmbda) for indexes in groups for lmbda in self.lmbdas]
        first, stride = self.options.shard or (0, 1)
        return todo[first::stride]

    @property
    def units(self) -> int:
        """Number of examples, each counted once for every λ."""
        return sum(len(task.indexes) for task in self.tasks)

    @cached_property
    def groups(self) -> list[Group]:
        """The methods by what they share."""
        found: list[Group] = []
        for method in self.methods:
            surrogate = surrogate_channel(method, self.options)
            for place, group in enumerate(found):
                if (group.surrogate, group.posterior) == (surrogate, method.posterior):
                    found[place] = group._replace(methods=(*group.methods, method))
                    break
            else:
                by = None if surrogate is None else self._evaluated_by(surrogate)
                found.append(Group(surrogate, method.posterior, by, (method,)))
        return found

    def _evaluated_by(self, surrogate: Channel) -> Method:
        """Return the first of all methods that refine through a surrogate channel."""
        # Of all methods, so that no row depends on which others were chosen.
        form, vectors = self.checkpoint.model.form, self.examples.vectors
        known = (*methods_of(form, True, vectors, METHODS), *self.methods)
        return next(m for m in known if surrogate_channel(m, self.options) == surrogate)


def make_plan(checkpoint: Checkpoint, examples: Examples, options: EvaluationOptions) -> Plan:
    """Return the plan of an evaluation.

    Args:
      checkpoint: any latent model but a lossless one.
      examples: the images or vectors.
      options: how they are evaluated.

    Raises:
      ValueError: λ is outside the range of the weights, a method is unknown, none
        applies, or an image is too small for the distortion.
    """
    model = checkpoint.model
    if is_lossless(model):
        raise ValueError(
            f"{checkpoint.name}: a lossless model has no distortion; its J at λ = 1 is "
            "the length of what rdbound compress writes"
        )
    methods = chosen_methods(model.form, options, examples.vectors)
    if not methods:
        raise ValueError(f"none of the methods applies to {checkpoint.name}")
    plan = Plan(checkpoint, examples, options, methods, lmbdas_of(checkpoint, options.lmbdas))
    examples.check(checkpoint.distortion, checkpoint.name)
    return plan


def row_keys(plan: Plan, task: Task) -> list[tuple[str, str, str, float, str]]:
    """Return the keys (:attr:`rdbound.tables.rd.Row.key`) of the rows of a task."""
    examples = plan.examples
    return [
        (examples.name, examples.names[i], plan.checkpoint.name, float(task.lmbda), method.name)
        for method in plan.methods
        for i in task.indexes
    ]


def lmbdas_of(checkpoint: Checkpoint, lmbdas: Sequence[float] | None) -> tuple[float, ...]:
    """Return the trade-offs of an evaluation.

    Args:
      checkpoint: the model.
      lmbdas: the trade-offs; None for all that the checkpoint serves: the one λ of a fixed rate,
        those of :data:`rdbound.evaluation.options.LMBDAS` in the range of a variable rate.

    Raises:
      ValueError: A λ is given twice or lies outside the range of the weights, or the range holds
        none of the usual ones.
    """
    low, high = checkpoint.model.lmbda_range
    if lmbdas is None:
        lmbdas = (low,) if low == high else [v for v in LMBDAS if low <= v <= high]
        if not lmbdas:
            usual = ", ".join(f"{v:g}" for v in LMBDAS)
            raise ValueError(
                f"{checkpoint.name} serves λ from {low:g} to {high:g}, none of {usual}: give lmbdas"
            )
    for lmbda in distinct(lmbdas):
        check_lmbda(lmbda, (low, high))
    return tuple(lmbdas)


def distinct(lmbdas: Sequence[float]) -> Sequence[float]:
    """Return ``lmbdas``; raise ValueError if one is given twice."""
    if len(set(lmbdas)) < len(lmbdas):
        raise ValueError(f"lmbdas holds a value twice: {', '.join(f'{v:g}' for v in lmbdas)}")
    return lmbdas
