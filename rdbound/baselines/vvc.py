"""VVC by VVenC and FFmpeg's decoder, both within the package imageio-ffmpeg.

It codes 10 bits at 4:2:0, where the anchor ``vtm-22.0`` codes 4:4:4: it loses chroma that no
rate restores, and is no substitute for the anchor.
"""

import re
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from rdbound.baselines.base import whole_settings
from rdbound.baselines.subprocesses import run_program

__all__ = ["VVC"]

_COLOURS = "scale=flags=bicubic+accurate_rnd+full_chroma_int"
_MATRIX = {
    "in": "in_range=full:out_range=full:out_color_matrix=bt709",
    "out": "in_range=full:out_range=full:in_color_matrix=bt709",
}


@dataclass(frozen=True)
class VVC:
    """VVenC at constant QP, its perceptual adaptation of QP off.

    Attributes:
      name: name of the codec in tables.
      settings: QPs, the lowest quality first.
      preset: preset of VVenC.
    """

    name: str = "vvc-420"
    settings: tuple[float, ...] = (47.0, 42.0, 37.0, 32.0, 27.0, 22.0, 17.0)
    preset: str = "medium"

    @property
    def description(self) -> str:
        """Return the program and its options."""
        return (
            f"VVenC, preset {self.preset}, one frame at constant QP, 10 bits, 4:2:0 (no "
            "substitute for an anchor of 4:4:4)"
        )

    def at(self, settings: tuple[float, ...]) -> "VVC":
        """Return the codec with other QPs; raise ValueError for fractions of a QP."""
        return replace(self, settings=whole_settings(self.name, settings))

    def version(self) -> str:
        """Return the version of FFmpeg; raise ValueError without it, or without VVenC in it."""
        return _version(_program())

    def encode(self, image: np.ndarray, setting: float) -> bytes:
        """Encode to an elementary stream; odd sides are padded with their last line."""
        even = np.pad(image, [(0, side % 2) for side in image.shape[:2]] + [(0, 0)], mode="edge")
        height, width = even.shape[:2]
        raw = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r 1 -i -"
        vvenc = f"-c:v libvvenc -preset {self.preset} -qp {round(setting)} -qpa 0 -threads 1"
        filters = f"{_COLOURS}:{_MATRIX['in']},format=yuv420p10le"
        command = f"-v error {raw} -vf {filters} -frames:v 1 {vvenc} -f vvc -".split()
        return run_program(self.name, [_program(), *command], even.tobytes())

    def decode(self, data: bytes, shape: tuple[int, int]) -> np.ndarray:
        """Implement :class:`rdbound.baselines.base.BaselineCodec`."""
        filters = f"{_COLOURS}:{_MATRIX['out']},format=rgb24"
        command = f"-v error -f vvc -i - -frames:v 1 -vf {filters} -f rawvideo -".split()
        height, width = shape
        padded = (height + height % 2, width + width % 2, 3)
        pixels = run_program(self.name, [_program(), *command], data)
        if len(pixels) != np.prod(padded):
            raise ValueError(f"{self.name}: FFmpeg decoded {len(pixels)} bytes, not {padded}")
        return np.frombuffer(pixels, np.uint8).reshape(padded)[:height, :width]


def _program() -> str:
    """Return the path of FFmpeg."""
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError:
        raise ValueError("vvc: needs pip install 'rdbound[codecs]'") from None
    return get_ffmpeg_exe()


@cache
def _version(program: str) -> str:
    """Return the version of an FFmpeg that has VVenC."""
    encoders = run_program("vvc", [program, "-v", "error", "-encoders"]).decode()
    if "libvvenc" not in encoders:
        raise ValueError(f"vvc: {program} is built without VVenC; pip install imageio-ffmpeg>=0.8")
    first = run_program("vvc", [program, "-version"]).decode().splitlines()[0]
    match = re.match(r"ffmpeg version (\S+)", first)
    return f"FFmpeg {match.group(1) if match else first}"
