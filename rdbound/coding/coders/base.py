"""Coders: how the latent of one level is conveyed in bytes.

A channel states what a latent costs; its coder realizes that cost in bytes. Encoder and decoder
run the same loop over the levels, with ``write`` or ``read`` as its step. A new coder is a
subclass with its four names and these two methods, entered in :data:`rdbound.coding.CODERS`.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.coding.entropy.range_coder import Reader, Writer

__all__ = ["Coder"]


class Coder(ABC):
    """A way to convey the latents of one datum in bytes, level by level.

    ``read`` returns bit for bit what ``write`` returned. Each model has a coder of its own, with
    the tables of its checkpoint.

    Args:
      tables: integer frequency tables of the checkpoint.

    Attributes:
      name: the name in configs and commands.
      code: the byte in the container.
      channel: name of the channel whose rate the coder realizes.
      form: the form of the models that it serves.
      takes_side: whether it encodes side information with a datum.
    """

    name: ClassVar[str]
    code: ClassVar[int]
    channel: ClassVar[str]
    form: ClassVar[str] = "codec"
    takes_side: ClassVar[bool] = False

    def __init__(self, tables: Tables):
        self.tables = tables

    @classmethod
    def serves(cls, form: str) -> bool:
        """Return whether the coder serves models of a form."""
        return form == cls.form

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the options that the decoder must know: JSON values, empty by default."""
        return {}

    @abstractmethod
    def write(self, level: int, posterior: Any, prior: Any, stream: Writer) -> np.ndarray:
        """Write one latent, and return it as the decoder will read it, float32.

        Args:
          level: index of the level; levels come in order.
          posterior: the posterior of the latent, of NumPy arrays.
          prior: its prior, which the decoder computes too, of NumPy arrays.
          stream: written to, behind the levels before.

        Raises:
          ValueError: for a latent that cannot be written.
        """

    @abstractmethod
    def read(self, level: int, prior: Any, shape: tuple[int, ...], stream: Reader) -> np.ndarray:
        """Read one latent, float32.

        Args:
          level: index of the level; levels come in order.
          prior: as in :meth:`write`, computed by this machine.
          shape: shape of the latent.
          stream: read from, behind the levels before.

        Raises:
          rdbound.coding.entropy.range_coder.UnreadableError: for symbols that no encoder writes.
        """
