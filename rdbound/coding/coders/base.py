"""What a coder is: the mirror of a channel, in bytes.

A channel says what a latent would cost; its coder conveys it. Encoder and
decoder are the same walk over the levels, with ``write`` and ``read`` for a step. A
new coder is a subclass with its three names and these two methods, entered in
:data:`rdbound.coding.CODERS`.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from rdbound.coding.entropy.frequency_tables import Tables
from rdbound.coding.entropy.range_coder import Reader, Writer

__all__ = ["Coder"]


class Coder(ABC):
    """A way to convey the latents of one datum in bytes.

    What ``read`` returns is bit for bit what ``write`` returned. A coder is made
    anew for each model, with the tables of its checkpoint.

    Attributes:
      name: in configs and commands.
      code: in the container, a byte.
      channel: name of the channel whose rate it realizes.
      form: of the models that it serves.

    Args:
      tables: integer frequencies, of the checkpoint.
    """

    name: ClassVar[str]
    code: ClassVar[int]
    channel: ClassVar[str]
    form: ClassVar[str] = "codec"

    def __init__(self, tables: Tables):
        self.tables = tables

    @property
    def parameters(self) -> dict[str, Any]:
        """What the decoder must be told beside the coder's name: JSON values, empty by default."""
        return {}

    @abstractmethod
    def write(self, level: int, posterior: Any, prior: Any, stream: Writer) -> np.ndarray:
        """Write one latent; returns it as the decoder will see it, float32.

        Args:
          level: of the latent; levels come in order.
          posterior: what is to be conveyed, of NumPy arrays.
          prior: what the decoder will have computed too, of NumPy arrays.
          stream: written to, after what the levels before wrote.

        Raises ValueError for a latent that cannot be written.
        """

    @abstractmethod
    def read(self, level: int, prior: Any, shape: tuple[int, ...], stream: Reader) -> np.ndarray:
        """Read one latent, float32.

        Args:
          level: of the latent; levels come in order.
          prior: as in :meth:`write`, but computed by this machine.
          shape: of the latent.
          stream: read from, where the levels before ended.

        Raises :class:`rdbound.coding.entropy.range_coder.UnreadableError` where the thread is lost.
        """
