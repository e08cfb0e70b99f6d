"""Sets of images by name: a folder, Kodak, a TFDS data set, the bundled photographs.

    kodak = open_images("kodak", "/data/kodak")
    train, held_out = open_images("folder", "/data/photographs").without(32)
    train = train.cached(gib=4.0)

Nothing is downloaded, and no image is decoded before it is asked for.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rdbound.images.files import SUFFIXES, read_image

__all__ = ["ImageSet", "is_set", "named_images", "open_images"]


@dataclass(frozen=True)
class ImageSet:
    """A named sequence of images, decoded when they are needed.

    Immutable: methods that change a set return another, which reads through the first.

    Attributes:
      name: name of the data set in tables.
      names: name of each image.
      load: a function from an index to uint8 [H, W, 3].
      files: file of each image; None if the images are not files.
    """

    name: str
    names: tuple[str, ...]
    load: Callable[[int], np.ndarray]
    files: tuple[Path, ...] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.load(index)

    def take(self, count: int | None) -> "ImageSet":
        """Return the first ``count`` images; all if ``count`` is None."""
        return self if count is None else self._part(range(min(count, len(self))), "")

    def without(self, count: int) -> tuple["ImageSet", "ImageSet"]:
        """Hold out ``count`` images at even distances through the set.

        Returns:
          The rest, and the images that are held out.

        Raises:
          ValueError: One of the two would be empty.
        """
        if not 0 < count < len(self):
            raise ValueError(f"{self.name}: cannot hold out {count} of {len(self)} images")
        stride = len(self) // count
        held = [stride // 2 + k * stride for k in range(count)]
        rest = sorted(set(range(len(self))) - set(held))
        return self._part(rest, ""), self._part(held, "-held-out")

    def _part(self, indexes: Sequence[int], suffix: str) -> "ImageSet":
        names = tuple(self.names[i] for i in indexes)
        files = None if self.files is None else tuple(self.files[i] for i in indexes)
        return ImageSet(self.name + suffix, names, lambda i: self.load(indexes[i]), files)

    def cached(self, gib: float) -> "ImageSet":
        """Return the same images, kept in memory once decoded, up to ``gib`` GiB.

        Images from this set are read-only; threads may share it.
        """
        return replace(self, load=_Cached(self.load, gib * 2**30).load)

    def fingerprint(self) -> str:
        """Return a SHA-256 over the names and contents of the images, hexadecimal.

        It is kept in a run's ``inputs.json``: the same files in another folder have the same
        fingerprint. Files are not decoded; images that are not files count by their pixels.
        """
        digest = hashlib.sha256()
        for index, name in enumerate(self.names):
            if self.files is not None:
                content = _file_digest(self.files[index])
            else:
                image = self[index]
                content = f"{image.shape} {_digest(image)}"
            digest.update(f"{name} {content}\n".encode())
        return digest.hexdigest()


def _file_digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from None


class _Cached:
    """Decoded images, kept in memory up to ``limit`` bytes; others are decoded again."""

    def __init__(self, load: Callable[[int], np.ndarray], limit: float):
        self._load, self._room = load, limit
        self._kept: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()

    def load(self, index: int) -> np.ndarray:
        """Return the image, read-only."""
        if index in self._kept:
            return self._kept[index]
        image = self._load(index)
        image.flags.writeable = False
        with self._lock:
            if image.nbytes <= self._room and index not in self._kept:
                self._room -= image.nbytes
                self._kept[index] = image
        return image


def named_images(name: str) -> ImageSet:
    """Open a set by its name, or a folder; see :func:`open_images`."""
    return open_images(name) if is_set(name) else open_images("folder", name)


def is_set(name: str) -> bool:
    """Return whether a name is that of a set, not of a folder."""
    return name in _SETS or name.startswith("tfds:")


def open_images(source: str, path: str | None = None, split: str = "test") -> ImageSet:
    """Open a set of images.

    Args:
      source: ``folder`` (needs ``path``), ``kodak`` (``path``, or the folder
        ``kodak`` in the one that the variable RDBOUND_DATA names),
        ``bundled``, ``bundled-crops`` (smaller), or ``tfds:NAME`` (``path`` is its data directory).
      path: see above.
      split: split of a TFDS data set.

    Raises:
      ValueError: Something is missing; the message tells what, and where to put it.
    """
    if source == "folder":
        return _folder(path)
    if source in _SETS:
        return _SETS[source](path)
    if source.startswith("tfds:"):
        return _tfds(source.removeprefix("tfds:"), path, split)
    raise ValueError(
        f"unknown image source {source!r}: choose folder, {', '.join(_SETS)} or tfds:NAME"
    )


def _folder(path: str | None) -> ImageSet:
    if path is None:
        raise ValueError("source 'folder' needs a path")
    root = Path(path).expanduser()
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder")
    files = sorted(f for f in root.rglob("*") if f.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"{root}: no image in it or below; looked for {' '.join(SUFFIXES)}")
    names = tuple(str(f.relative_to(root)) for f in files)
    name = root.resolve().name
    if name == "kodak" and not _is_kodak(files):
        name = "kodak-folder"  # published points are of other pixels
    return ImageSet(name, names, lambda i: read_image(files[i]), tuple(files))


def _is_kodak(files: Sequence[Path]) -> bool:
    """Return whether each file is the image of the Kodak set that it is named after."""
    from rdbound.reference import kodak_digests

    known = kodak_digests()
    return all(f.stem in known and _digest(read_image(f)) == known[f.stem] for f in files)


def _digest(image: np.ndarray) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


def _kodak(path: str | None) -> ImageSet:
    from rdbound.reference import kodak_digests

    base = os.environ.get("RDBOUND_DATA")
    if path is None and base is None:
        raise ValueError(
            "kodak: set RDBOUND_DATA to the folder that holds kodak/, or give its path; "
            "the 24 files kodim01.png … kodim24.png are at https://r0k.us/graphics/kodak"
        )
    root = Path(path).expanduser() if path is not None else Path(str(base)) / "kodak"
    digests = kodak_digests()

    def load(index: int) -> np.ndarray:
        name = names[index]
        file = root / f"{name}.png"
        if not file.is_file():
            raise ValueError(f"kodak: {file} is missing; put kodim01.png … kodim24.png there")
        image = read_image(file)
        if _digest(image) != digests[name]:
            raise ValueError(
                f"kodak: the pixels of {file} are not those of the Kodak set; "
                "replace it by the original 8-bit PNG"
            )
        return image

    names = tuple(sorted(digests))
    if not (root / f"{names[0]}.png").is_file():
        raise ValueError(f"kodak: {root} does not hold kodim01.png … kodim24.png; put them there")
    return ImageSet("kodak", names, load, tuple(root / f"{name}.png" for name in names))


def _bundled() -> ImageSet:
    import skimage.data

    names = ("coffee", "astronaut", "chelsea")
    return ImageSet("bundled", names, lambda i: np.asarray(getattr(skimage.data, names[i])()))


def _bundled_crops() -> ImageSet:
    whole = _bundled()
    # Around the cup, the face, the cat; the last is of an odd size.
    windows = ((100, 170, 192, 256), (20, 130, 192, 256), (40, 90, 187, 251))

    def load(index: int) -> np.ndarray:
        top, left, height, width = windows[index]
        return whole[index][top : top + height, left : left + width]

    return ImageSet("bundled-crops", whole.names, load)


def _tfds(name: str, path: str | None, split: str) -> ImageSet:
    import tensorflow_datasets as tfds

    try:
        source: Sequence = tfds.data_source(name, split=split, data_dir=path, download=False)
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"tfds:{name}, split {split}: cannot be opened ({reason})") from None

    def load(index: int) -> np.ndarray:
        image = np.asarray(source[index]["image"])
        if image.dtype != np.uint8:
            raise ValueError(f"tfds:{name}: images are {image.dtype}; expected uint8")
        return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image

    names = tuple(f"{split}-{i:06d}" for i in range(len(source)))
    return ImageSet(f"tfds-{name}", names, load)


_SETS: dict[str, Callable[[str | None], ImageSet]] = {
    "kodak": _kodak,
    "bundled": lambda _: _bundled(),
    "bundled-crops": lambda _: _bundled_crops(),
}
