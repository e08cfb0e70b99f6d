"""VVC by VVenC and FFmpeg's decoder, both within the package imageio-ffmpeg.

It codes 10 bits at 4:2:0, where the anchor ``vtm-22.0`` codes 4:4:4: it loses colours that
no rate brings back, and is no substitute for the anchor.
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
      name, settings: see :class:`rdbound.baselines.base.ExternalCodec`; settings are QPs.
      preset: of VVenC.
    """

    name: str = "vvc-420"
    settings: tuple[float, ...] = (47.0, 42.0, 37.0, 32.0, 27.0, 22.0, 17.0)
    preset: str = "medium"

    @property
    def told(self) -> str:
        """What it is, and what it is not."""
        return (
            f"VVenC, preset {self.preset}, one frame at constant QP, 10 bits, 4:2:0 (no "
            "substitute for an anchor of 4:4:4)"
        )

    def at(self, settings: tuple[float, ...]) -> "VVC":
        """The same at other settings; raises ValueError for parts of a QP."""
        return replace(self, settings=whole_settings(self.name, settings))

    def version(self) -> str:
        """Of FFmpeg; raises ValueError where it, or VVenC in it, is missing."""
        return _version(_program())

    def encode(self, image: np.ndarray, setting: float) -> bytes:
        """The elementary stream; an odd side is continued by its last line."""
        even = np.pad(image, [(0, side % 2) for side in image.shape[:2]] + [(0, 0)], mode="edge")
        height, width = even.shape[:2]
        command = [
            _program(),
            "-v",
            "error",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
            "-s",
            f"{width}x{height}",
            "-r",
            "1",
            "-i",
            "-",
            "-vf",
            f"{_COLOURS}:{_MATRIX['in']},format=yuv420p10le",
            "-frames:v",
            "1",
            "-c:v",
            "libvvenc",
            "-preset",
            self.preset,
            "-qp",
            str(round(setting)),
            "-qpa",
            "0",
            "-threads",
            "1",
            "-f",
            "vvc",
            "-",
        ]
        return run_program(self.name, command, even.tobytes())

    def decode(self, data: bytes, sides: tuple[int, int]) -> np.ndarray:
        """See :class:`rdbound.baselines.base.ExternalCodec`."""
        command = [
            _program(),
            "-v",
            "error",
            "-f",
            "vvc",
            "-i",
            "-",
            "-frames:v",
            "1",
            "-vf",
            f"{_COLOURS}:{_MATRIX['out']},format=rgb24",
            "-f",
            "rawvideo",
            "-",
        ]
        height, width = sides
        shape = (height + height % 2, width + width % 2, 3)
        found = run_program(self.name, command, data)
        if len(found) != np.prod(shape):
            raise ValueError(f"{self.name}: FFmpeg decoded {len(found)} bytes, not {shape}")
        return np.frombuffer(found, np.uint8).reshape(shape)[:height, :width]


def _program() -> str:
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError:
        raise ValueError("vvc: needs pip install 'rdbound[codecs]'") from None
    return get_ffmpeg_exe()


@cache
def _version(program: str) -> str:
    encoders = run_program("vvc", [program, "-v", "error", "-encoders"]).decode()
    if "libvvenc" not in encoders:
        raise ValueError(f"vvc: {program} is built without VVenC; pip install imageio-ffmpeg>=0.8")
    first = run_program("vvc", [program, "-version"]).decode().splitlines()[0]
    found = re.match(r"ffmpeg version (\S+)", first)
    return f"FFmpeg {found.group(1) if found else first}"
