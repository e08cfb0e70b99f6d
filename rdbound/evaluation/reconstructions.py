"""What was decoded, kept to be looked at: one reconstruction an image and model.

    FOLDER/IMAGE.original.webp
    FOLDER/MODEL/IMAGE_λ_METHOD.webp

They are for the eye, lossy themselves; what was measured stands in the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from rdbound.methods import Method

__all__ = ["Pictures"]

_QUALITY = 92
_LONGEST = 16383  # side of a WebP


@dataclass(frozen=True)
class Pictures:
    """Where reconstructions are kept, and which.

    Attributes:
      folder: of them.
      images: the names of those that are kept.
      lmbda: the trade-off that they are of; None for the middle one of a model.
    """

    folder: Path
    images: frozenset[str]
    lmbda: float | None = None

    def wants(self, method: Method, of: Sequence[Method], image: str, lmbda: float) -> bool:
        """Whether a reconstruction is kept: of the last of the methods ``of`` that writes bytes,
        else of the last bound.
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
        """Write both, uint8 [H, W, 3]; those with a longer side than WebP's limit made smaller."""
        for path, pixels in (
            (self.original(image), original),
            (self.decoded(model, method, image, lmbda), decoded),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(pixels)
            picture.thumbnail((_LONGEST, _LONGEST))
            picture.save(path, "WEBP", quality=_QUALITY)

    def original(self, image: str) -> Path:
        """The file of an original."""
        return self._within(f"{image}.original.webp")

    def decoded(self, model: str, method: str, image: str, lmbda: float) -> Path:
        """The file of a reconstruction."""
        return self._within(f"{model}/{image}_{lmbda:g}_{method}.webp")

    def _within(self, name: str) -> Path:
        """A file of the folder; ValueError for a name that leads out of it, as of a table's."""
        path = self.folder / name
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise ValueError(f"{name!r}: the name of a model or an image leads out of its folder")
        return path
