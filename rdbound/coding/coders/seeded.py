"""The base of coders whose encoder and decoder share randomness."""

from typing import Annotated, Any

from pydantic import Field, SkipValidation, validate_call

from rdbound.coding.coders.base import Coder
from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.utils.registry import OPTIONS

__all__ = ["SeededCoder"]


class SeededCoder(Coder):
    """A coder whose encoder and decoder draw the same numbers, from a seed in the stream.

    Args:
      tables: see :class:`rdbound.coding.coders.base.Coder`.
      seed: from 0 to 2^63 − 1. Two data coded with one seed have the same randomness.
    """

    @validate_call(config=OPTIONS)
    def __init__(
        self, tables: SkipValidation[Tables], seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    ):
        super().__init__(tables)
        self.seed = seed

    @property
    def parameters(self) -> dict[str, Any]:
        """The seed, if it is not 0."""
        return {"seed": self.seed} if self.seed else {}
