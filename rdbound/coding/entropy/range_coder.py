"""Integers through constriction's range coder, grouped by table, with escapes.

``Writer`` and ``Reader`` mirror each other call by call. Symbols of one array are
coded in the order of their tables, since one call of the coder with many symbols is
far quicker than many calls with one; the order is recomputed by the reader from the
table indexes. A magnitude beyond its table is written as the escape symbol, then its
sign, and its excess as a length in bits and that many bits.
"""

import zlib

import constriction
import numpy as np

from rdbound.coding.entropy.frequency_tables import FrequencyTable

__all__ = ["LARGEST", "ROWS", "Reader", "UnreadableError", "Writer", "integers", "is_lost"]

LARGEST = 2**30  # magnitudes of symbols stay below this

ROWS = constriction.stream.model.Categorical(perfect=False)
"""The entropy model of symbols that have a row of probabilities each."""

_DIGIT = 16  # bits of one digit of a plainly coded integer


class UnreadableError(ValueError):
    """Decoded values that no writer writes: the reader has lost the thread."""


def is_lost(error: BaseException) -> bool:
    """Whether an exception says that what is read was never written.

    The coder itself reports that by an assertion, or by a panic, which is not a subclass of
    Exception.
    """
    kinds = AssertionError | UnreadableError
    return isinstance(error, kinds) or type(error).__name__ == "PanicException"


def integers(residual: np.ndarray) -> np.ndarray:
    """The nearest integers, int32; raises ValueError for what no symbol can be."""
    if not np.isfinite(residual).all() or np.abs(residual).max(initial=0.0) >= LARGEST:
        raise ValueError("a latent is not finite or larger than 2^30: the model cannot code this")
    return np.rint(residual).astype(np.int32)


def _digits(limit: int) -> list[int]:
    """Sizes of the base-2^16 digits, lowest first, of integers below ``limit``."""
    sizes = []
    while limit > 2**_DIGIT:
        sizes.append(2**_DIGIT)
        limit = -(-limit // 2**_DIGIT)
    return [*sizes, limit]


class _Checked:
    """``crc``: the running checksum of what both sides must have computed alike."""

    crc = 0

    def check(self, computed: np.ndarray) -> None:
        """Take an array into the checksum, by its bytes."""
        self.crc = zlib.crc32(computed.tobytes(), self.crc)


class Writer(_Checked):
    """Collects symbols; ``finish`` returns the bytes."""

    def __init__(self):
        self._encoder = constriction.stream.queue.RangeEncoder()

    def symbols(self, values: np.ndarray, groups: np.ndarray, tables: list[FrequencyTable]) -> None:
        """Write int32 ``values`` [n], each through the table that ``groups`` [n] names.

        Magnitudes must be below :data:`LARGEST`; within a group the order is kept.
        """
        order = np.argsort(groups, kind="stable")
        ends = np.searchsorted(groups[order], np.arange(len(tables)), side="right")
        for table, part in zip(tables, np.split(values[order], ends[:-1]), strict=True):
            if len(part):
                self._group(part, table)

    def _group(self, values: np.ndarray, table: FrequencyTable) -> None:
        m = table.reach
        escaped = np.abs(values) > m
        coded = np.where(escaped, 2 * m + 1, values + m).astype(np.int32)
        self._encoder.encode(coded, table.model)
        for value in values[escaped]:
            self.integer(int(value < 0), 2)
            excess = abs(int(value)) - m
            length = excess.bit_length()
            self.integer(length, 32)
            self.integer(excess, 1 << length)

    def integer(self, value: int, limit: int) -> None:
        """Write 0 ≤ value < limit, all values alike."""
        self.integers(np.array([value]), limit)

    def integers(self, values: np.ndarray, limit: int) -> None:
        """Write 0 ≤ values [n] < limit, all values alike; digit by digit, the lowest first."""
        for size in _digits(limit):
            if size > 1 and len(values):
                uniform = constriction.stream.model.Uniform(size)
                self._encoder.encode((values % 2**_DIGIT).astype(np.int32), uniform)
            values = values >> _DIGIT

    def rows(self, values: np.ndarray, probabilities: np.ndarray) -> None:
        """Write 0 ≤ values [n], each by its own row of float32 ``probabilities`` [n, symbols]."""
        self._encoder.encode(values.astype(np.int32), ROWS, probabilities)

    def finish(self) -> bytes:
        """All that was written, without zero bytes at the end: the reader supplies them."""
        words = self._encoder.get_compressed()
        # The coder counts in 32-bit words; zero bytes at the end carry nothing.
        return words.astype("<u4").tobytes().rstrip(b"\0")


class Reader(_Checked):
    """Reads back what a :class:`Writer` wrote, in the same order."""

    def __init__(self, data: bytes):
        words = np.frombuffer(data + b"\0" * (-len(data) % 4), "<u4").astype(np.uint32)
        self._decoder = constriction.stream.queue.RangeDecoder(words)

    def symbols(self, groups: np.ndarray, tables: list[FrequencyTable]) -> np.ndarray:
        """Read int32 [n]; ``groups`` as in writing.

        Raises :class:`UnreadableError` for a magnitude that no writer writes.
        """
        order = np.argsort(groups, kind="stable")
        counts = np.bincount(groups, minlength=len(tables))
        parts = [self._group(int(n), table) for n, table in zip(counts, tables, strict=True) if n]
        values = np.empty(len(groups), np.int32)
        values[order] = np.concatenate(parts) if parts else []
        return values

    def _group(self, count: int, table: FrequencyTable) -> np.ndarray:
        m = table.reach
        coded = np.asarray(self._decoder.decode(table.model, count), np.int32)
        values = coded - m
        for place in np.flatnonzero(coded == 2 * m + 1):
            sign = -1 if self.integer(2) else 1
            magnitude = m + self.integer(1 << self.integer(32))
            if magnitude >= LARGEST:
                raise UnreadableError("a symbol beyond 2^30")
            values[place] = sign * magnitude
        return values

    def integer(self, limit: int) -> int:
        """Read an integer below ``limit``."""
        return int(self.integers(1, limit)[0])

    def integers(self, count: int, limit: int) -> np.ndarray:
        """Read int64 [count] below ``limit``."""
        values = np.zeros(count, np.int64)
        for place, size in enumerate(_digits(limit)):
            if size > 1 and count:
                uniform = constriction.stream.model.Uniform(size)
                digits = np.asarray(self._decoder.decode(uniform, count), np.int64)
                values += digits << (_DIGIT * place)
        return values

    def rows(self, probabilities: np.ndarray) -> np.ndarray:
        """Read int32 [n], each by its own row of ``probabilities`` [n, symbols]."""
        return np.asarray(self._decoder.decode(ROWS, probabilities), np.int32)

    def exhausted(self) -> bool:
        """False where data is certainly left over."""
        return self._decoder.maybe_exhausted()
