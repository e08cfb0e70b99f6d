"""Codecs of Pillow and of its plug-ins."""

import importlib
import io
from dataclasses import dataclass, field, replace
from importlib import metadata

import numpy as np
import PIL
from PIL import Image, features

from rdbound.baselines.base import whole_settings
from rdbound.images.files import to_rgb

__all__ = ["AVIF", "JPEG", "JPEG_2000", "JPEG_XL", "WEBP", "PillowCodec"]


@dataclass(frozen=True)
class PillowCodec:
    """One format of Pillow.

    Attributes:
      name: name of the codec in tables.
      settings: settings of the encoder, the lowest quality first.
      description: a phrase that names the program, chroma subsampling and bit depth.
      format: Pillow's name of the format.
      feature: Pillow's name of the library behind the format; None for a plug-in.
      plugin: (module, package to install) of a plug-in.
      options: Pillow's options for writing a file.
      setting: name of the option that takes the setting.
    """

    name: str
    settings: tuple[float, ...]
    description: str
    format: str
    feature: str | None = None
    plugin: tuple[str, str] | None = None
    options: dict[str, str | int | bool] = field(default_factory=dict)
    setting: str = "quality"

    def without_subsampling(self) -> "PillowCodec":
        """Return the codec with chroma at every pixel, 4:4:4."""
        description = self.description.replace("4:2:0", "4:4:4")
        options = self.options | {"subsampling": "4:4:4"}
        return replace(self, name=f"{self.name}-444", description=description, options=options)

    def at(self, settings: tuple[float, ...]) -> "PillowCodec":
        """Return the codec with other settings; raise ValueError for fractions of a quality."""
        if self.setting != "quality_layers":
            whole_settings(self.name, settings)
        return replace(self, settings=settings)

    def version(self) -> str:
        """Return the versions of Pillow and of the library; raise ValueError without them."""
        if self.plugin is not None:
            module, package = self.plugin
            try:
                importlib.import_module(module)
            except ImportError:
                raise ValueError(f"{self.name}: needs pip install {package}") from None
            return f"Pillow {PIL.__version__}, {package} {metadata.version(package)}"
        assert self.feature is not None
        if not features.check(self.feature):
            raise ValueError(
                f"{self.name}: this build of Pillow is without it; pip install a wheel of Pillow"
            )
        return f"Pillow {PIL.__version__}, {self.feature} {_library(self.feature)}"

    def encode(self, image: np.ndarray, setting: float) -> bytes:
        """Implement :class:`rdbound.baselines.base.BaselineCodec`."""
        self.version()  # loads a plug-in
        value = [setting] if self.setting == "quality_layers" else round(setting)
        buffer = io.BytesIO()
        Image.fromarray(image).save(
            buffer, format=self.format, **self.options, **{self.setting: value}
        )
        return buffer.getvalue()

    def decode(self, data: bytes, shape: tuple[int, int]) -> np.ndarray:
        """Implement :class:`rdbound.baselines.base.BaselineCodec`."""
        self.version()
        with Image.open(io.BytesIO(data), formats=[self.format]) as image:
            return to_rgb(image, self.name)


def _library(feature: str) -> str:
    """Return the version of a library, with its name if it is libjpeg-turbo."""
    turbo = "libjpeg-turbo " if feature == "jpg" and features.check("libjpeg_turbo") else ""
    number = features.version("libjpeg_turbo" if turbo else feature)
    return f"{turbo}{number or ''}".strip()


_EVEN = tuple(float(q) for q in range(5, 100, 5))
JPEG = PillowCodec(
    "jpeg",
    _EVEN,
    "JPEG by Pillow, 4:2:0, the standard's tables",
    "JPEG",
    "jpg",
    options={"subsampling": "4:2:0"},
)
WEBP = PillowCodec(
    "webp", _EVEN, "WebP by Pillow, 4:2:0, method 4", "WEBP", "webp", options={"method": 4}
)
AVIF = PillowCodec(
    "avif",
    _EVEN,
    "AVIF by Pillow, 4:2:0, 8-bit, speed 6",
    "AVIF",
    "avif",
    options={"subsampling": "4:2:0", "speed": 6, "max_threads": 1},
)
JPEG_2000 = PillowCodec(
    "jpeg2000",
    (192.0, 128.0, 96.0, 64.0, 48.0, 32.0, 24.0, 16.0, 12.0, 8.0, 6.0),  # ratios to 24 bits
    "JPEG 2000 by Pillow, irreversible, 4:4:4, by ratio of compression",
    "JPEG2000",
    "jpg_2000",
    options={"irreversible": True, "mct": 1, "quality_mode": "rates"},
    setting="quality_layers",
)
JPEG_XL = PillowCodec(
    # Below 20 libjxl codes half as many pixels, for more bits and 1 to 2 dB less.
    "jxl",
    (*_EVEN[3:], 97.0),
    "JPEG XL by pillow-jxl-plugin, lossy, effort 7",
    "JXL",
    plugin=("pillow_jxl", "pillow-jxl-plugin"),
    options={"effort": 7, "num_threads": 1},
)
