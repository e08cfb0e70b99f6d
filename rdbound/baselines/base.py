"""The interface of a baseline codec."""

from typing import Protocol

import numpy as np

__all__ = ["BaselineCodec", "whole_settings"]


class BaselineCodec(Protocol):
    """An encoder and its decoder, which write and read whole files."""

    @property
    def name(self) -> str:
        """Return the name of the codec in tables."""

    @property
    def settings(self) -> tuple[float, ...]:
        """Return the settings of the encoder, the lowest quality first."""

    @property
    def description(self) -> str:
        """Return a phrase that names the program, chroma subsampling and bit depth."""

    def at(self, settings: tuple[float, ...]) -> "BaselineCodec":
        """Return the codec with other settings."""

    def version(self) -> str:
        """Return the version of the encoder.

        Raises:
          ValueError: if the encoder is not installed; the message says how to install it.
        """

    def encode(self, image: np.ndarray, setting: float) -> bytes:
        """Encode an image to a whole file.

        Args:
          image: uint8 [H, W, 3].
          setting: quality, one of the encoder's settings.
        """

    def decode(self, data: bytes, shape: tuple[int, int]) -> np.ndarray:
        """Decode a file.

        Args:
          data: the file.
          shape: (H, W), for formats that do not store it.

        Returns:
          The image, uint8 [H, W, 3].
        """


def whole_settings(name: str, settings: tuple[float, ...]) -> tuple[float, ...]:
    """Return the settings of a codec that takes whole numbers.

    Others are not rounded: the same setting would be measured twice under two names.

    Args:
      name: name of the codec, for the message.
      settings: the settings.

    Raises:
      ValueError: if a setting is not a whole number.
    """
    for setting in settings:
        if not float(setting).is_integer():
            raise ValueError(f"{name}: its settings are whole numbers, not {setting:g}")
    return settings
