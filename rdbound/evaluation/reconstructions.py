"""Reconstructions kept to be looked at: one per image and model.

    FOLDER/IMAGE.original.webp
    FOLDER/MODEL/IMAGE_λ_METHOD.webp

They are lossy themselves; the measured values stand in the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from rdbound.methods import Method

__all__ = ["MOST_SHOWN", "Pictures"]

MOST_SHOWN = 24
"""Images of which a run keeps pictures."""
_QUALITY = 92
_LONGEST = 16383  # side of a WebP


@dataclass(frozen=True)
class Pictures:
    """Where reconstructions are kept, and which.

    Attributes:
      folder: the folder of the files.
      images: names of the images that are kept.
      lmbda: the trade-off that is kept; None for every one.
    """

    folder: Path
    images: frozenset[str]
    lmbda: float | None = None

    def wants(self, method: Method, of: Sequence[Method], image: str, lmbda: float) -> bool:
        """Return whether a reconstruction is kept.

        Args:
          method: the method; kept is the last one of ``of`` that writes bytes, else the last bound.
          of: all methods of the evaluation.
          image: name of the image.
          lmbda: the trade-off.
        """
        shown = [m for m in of if m.kind == "coded"] or [m for m in of if m.kind == "bound"]
        return (
            bool(shown)
            and method == shown[-1]
            and image in self.images
            and (self.lmbda is None or lmbda == self.lmbda)
        )

    def keep(
        self,
        model: str,
        method: str,
        image: str,
        lmbda: float,
        original: np.ndarray,
        decoded: np.ndarray,
    ) -> None:
        """Write original and reconstruction, uint8 [H, W, 3], scaled down to fit a WebP."""
        for path, pixels in (
            (self.original(image), original),
            (self.decoded(model, method, image, lmbda), decoded),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(pixels)
            picture.thumbnail((_LONGEST, _LONGEST))
            picture.save(path, "WEBP", quality=_QUALITY)

    def original(self, image: str) -> Path:
        """Return the file of an original."""
        return self._within(f"{image}.original.webp")

    def decoded(self, model: str, method: str, image: str, lmbda: float) -> Path:
        """Return the file of a reconstruction."""
        return self._within(f"{model}/{image}_{lmbda:g}_{method}.webp")

    def _within(self, name: str) -> Path:
        """Return a file of the folder; raise ValueError for a name that leads out of it."""
        path = self.folder / name
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise ValueError(f"{name!r}: the name of a model or an image leads out of its folder")
        return path
