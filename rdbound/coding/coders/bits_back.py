"""The coder ``bits-back``: its name, its byte and its options.

Bits-back conveys all latents of a datum at once, drawn from side information that the decoder
gives back, so that it is no :class:`rdbound.coding.coders.base.Coder` of single levels. The two
algorithms are in :mod:`rdbound.coding.codecs.bits_back`.
"""

from typing import Annotated, Any, ClassVar

from pydantic import Field, SkipValidation, validate_call

from rdbound.coding.entropy.frequency_tables import Tables

__all__ = ["MOST_STEPS", "BitsBackCoder"]

MOST_STEPS = 1000


class BitsBackCoder:
    """Bits-back coding, of codecs with two levels and of lossless models.

    Args:
      tables: the checkpoint's tables; not used.
      steps: optimization steps of the inference of the hyperlatents, 0 for the inference network
        alone; None for 300. Lossless models take none.

    Raises:
      ValueError: for steps out of range.
    """

    name: ClassVar[str] = "bits-back"
    code: ClassVar[int] = 4
    channel: ClassVar[str] = "bits-back"
    form: ClassVar[str] = "codec"
    takes_side: ClassVar[bool] = True

    @validate_call
    def __init__(
        self,
        tables: Annotated[Any, SkipValidation],
        steps: Annotated[int, Field(ge=0, le=MOST_STEPS, strict=True)] | None = None,
    ):
        self.tables: Tables = tables
        self.steps = steps

    @classmethod
    def serves(cls, form: str) -> bool:
        """Return True: whether it serves a model depends on more than the model's form."""
        return True

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the options that the decoder must know."""
        return {} if self.steps is None else {"steps": self.steps}
