"""Any codec with a command line: VTM by a script, or a program of your own.

    CommandCodec("mine", "myenc -q {quality} {input} {output}", "mydec {input} {output}", (20, 40))

The encoder's input and the decoder's output are PNG files.
"""

import hashlib
import shlex
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from rdbound.baselines.subprocesses import run_program
from rdbound.images.files import read_image

__all__ = ["CommandCodec"]


@dataclass(frozen=True)
class CommandCodec:
    """An encoder and a decoder given by command lines, which run without a shell.

    Attributes:
      name: name of the codec in tables.
      encoder: command with the placeholders ``{quality}``, ``{input}`` (a PNG file) and
        ``{output}``.
      decoder: command with the placeholders ``{input}`` and ``{output}`` (a PNG file).
      settings: values of ``{quality}``.

    Raises:
      ValueError: if a placeholder is missing, or a command cannot be split into words.
    """

    name: str
    encoder: str
    decoder: str
    settings: tuple[float, ...]

    def __post_init__(self) -> None:
        for what, command, places in (
            ("encoder", self.encoder, ("quality", "input", "output")),
            ("decoder", self.decoder, ("input", "output")),
        ):
            for place in places:
                if f"{{{place}}}" not in command:
                    raise ValueError(f"{self.name}: its {what} has no {{{place}}}: {command}")
            try:
                shlex.split(command)
            except ValueError as error:
                raise ValueError(f"{self.name}: its {what} is no command line: {error}") from None

    @property
    def description(self) -> str:
        """Return the two commands."""
        return f"`{self.encoder}`, decoded by `{self.decoder}`"

    def at(self, settings: tuple[float, ...]) -> "CommandCodec":
        """Return the codec with other settings."""
        return replace(self, settings=settings)

    def version(self) -> str:
        """Return the two commands, and a digest of the programs and files that they name."""
        files = hashlib.sha256()
        for command in (self.encoder, self.decoder):
            program, *words = shlex.split(command)
            for file in map(Path, [shutil.which(program) or program, *words]):
                if file.is_file():
                    files.update(file.read_bytes())
        return f"{self.encoder} | {self.decoder} | {files.hexdigest()[:16]}"

    def encode(self, image: np.ndarray, setting: float) -> bytes:
        """Implement :class:`rdbound.baselines.base.BaselineCodec`."""
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "image.png", Path(folder) / "coded"
            Image.fromarray(image).save(source)
            self._run(self.encoder, source, target, _formatted(setting))
            return target.read_bytes()

    def decode(self, data: bytes, shape: tuple[int, int]) -> np.ndarray:
        """Implement :class:`rdbound.baselines.base.BaselineCodec`."""
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "coded", Path(folder) / "image.png"
            source.write_bytes(data)
            self._run(self.decoder, source, target)
            try:
                return read_image(target)
            except ValueError as error:
                reason = str(error).replace(f"{target}: ", "")
                raise ValueError(f"{self.name}: what its decoder wrote is {reason}") from None

    def _run(self, command: str, source: Path, target: Path, quality: str = "") -> None:
        """Run a command; raise ValueError if it writes no output file."""
        values = {"{quality}": quality, "{input}": str(source), "{output}": str(target)}
        words = []
        for word in shlex.split(command):
            for place, value in values.items():
                word = word.replace(place, value)
            words.append(word)
        run_program(self.name, words)
        if not target.is_file():
            raise ValueError(f"{self.name}: {words[0]!r} wrote no {{output}}")


def _formatted(setting: float) -> str:
    """Return a setting with all its digits, and no decimal point if it is a whole number."""
    return str(int(setting)) if float(setting).is_integer() else repr(setting)
