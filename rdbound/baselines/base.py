"""What a codec from outside can do."""

from typing import Protocol

import numpy as np

__all__ = ["ExternalCodec", "whole_settings"]


class ExternalCodec(Protocol):
    """An encoder and its decoder, by whole files."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def settings(self) -> tuple[float, ...]:
        """Of the encoder, the lowest quality first."""

    @property
    def told(self) -> str:
        """What it is, in words: program, subsampling, bit depth."""

    def at(self, settings: tuple[float, ...]) -> "ExternalCodec":
        """The same at other settings."""

    def version(self) -> str:
        """Of what encodes; raises ValueError, saying what to install, where it is missing."""

    def encode(self, image: np.ndarray, setting: float) -> bytes:
        """An image, uint8 [H, W, 3], as a whole file."""

    def decode(self, data: bytes, sides: tuple[int, int]) -> np.ndarray:
        """The picture of a file, uint8 [H, W, 3]; ``sides`` (H, W) for files that keep none."""


def whole_settings(name: str, settings: tuple[float, ...]) -> tuple[float, ...]:
    """The settings, of a codec that takes whole numbers; raises ValueError for others.

    Rounded ones would be measured twice under two names.
    """
    for setting in settings:
        if not float(setting).is_integer():
            raise ValueError(f"{name}: its settings are whole numbers, not {setting:g}")
    return settings
