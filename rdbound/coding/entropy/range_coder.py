"""Integers through constriction's range coder, grouped by table, with escapes.

``Writer`` and ``Reader`` mirror each other call by call. Symbols of one array are
coded in the order of their tables, since one call of the coder with many symbols is
far quicker than many calls with one; the reader recomputes the order from the
table indexes. A magnitude beyond its table is written as the escape symbol, then by
:meth:`Writer.escaped` its sign and its excess over the table.
"""

import zlib

import constriction
import numpy as np

from rdbound.coding.entropy.frequency_tables import FrequencyTable, symbols_within

__all__ = [
    "LARGEST",
    "ROWS",
    "Reader",
    "UnreadableError",
    "Writer",
    "integers",
    "is_lost",
    "places_by_table",
]

LARGEST = 2**30  # magnitudes of symbols stay below this

ROWS = constriction.stream.model.Categorical(perfect=False)
"""The entropy model of symbols that have a row of probabilities each."""

_DIGIT = 16  # bits of one digit of a plainly coded integer


class UnreadableError(ValueError):
    """Decoded values that no writer writes: the stream is damaged or decoded by another model."""


def is_lost(error: BaseException) -> bool:
    """Return whether an exception means that the decoded values were never written.

    The coder itself reports that by an assertion, or by a panic, which is not a subclass of
    Exception.
    """
    kinds = AssertionError | UnreadableError
    return isinstance(error, kinds) or type(error).__name__ == "PanicException"


def integers(residual: np.ndarray) -> np.ndarray:
    """Return the nearest integers, int32.

    Raises:
      ValueError: if a value is not finite or reaches 2^30.
    """
    if not np.isfinite(residual).all() or np.abs(residual).max(initial=0.0) >= LARGEST:
        raise ValueError("a latent is not finite or larger than 2^30: the model cannot code this")
    return np.rint(residual).astype(np.int32)


def _digits(limit: int) -> list[int]:
    """Return the sizes of the base-2^16 digits, lowest first, of integers below ``limit``."""
    sizes = []
    while limit > 2**_DIGIT:
        sizes.append(2**_DIGIT)
        limit = -(-limit // 2**_DIGIT)
    return [*sizes, limit]


def places_by_table(groups: np.ndarray, count: int) -> list[np.ndarray]:
    """Return the places of the symbols of each of ``count`` tables, in their order.

    ``groups`` [n] has the index of each symbol's table.
    """
    order = np.argsort(groups, kind="stable")
    ends = np.searchsorted(groups[order], np.arange(count), side="right")
    return np.split(order, ends[:-1])


class _Checked:
    """A stream with the checksum ``crc`` of arrays that encoder and decoder must both compute."""

    crc = 0

    def check(self, computed: np.ndarray) -> None:
        """Add the bytes of an array to the checksum."""
        self.crc = zlib.crc32(computed.tobytes(), self.crc)


class Writer(_Checked):
    """A range encoder."""

    def __init__(self):
        self._encoder = constriction.stream.queue.RangeEncoder()

    def symbols(self, values: np.ndarray, groups: np.ndarray, tables: list[FrequencyTable]) -> None:
        """Write int32 ``values`` [n], each through the table whose index is in ``groups`` [n].

        Magnitudes must be below :data:`LARGEST`; within a group the order is kept.
        """
        for table, places in zip(tables, places_by_table(groups, len(tables)), strict=True):
            if len(places):
                self._group(values[places], table)

    def _group(self, values: np.ndarray, table: FrequencyTable) -> None:
        self._encoder.encode(symbols_within(values, table.reach), table.model)
        for value in values[np.abs(values) > table.reach]:
            self.escaped(value < 0, abs(int(value)) - table.reach)

    def escaped(self, negative: bool, magnitude: int) -> None:
        """Write a sign and a magnitude below 2^31: its length in bits, and that many bits."""
        self.integer(int(negative), 2)
        length = magnitude.bit_length()
        self.integer(length, 32)
        self.integer(magnitude, 1 << length)

    def integer(self, value: int, limit: int) -> None:
        """Write 0 ≤ value < limit, all equally likely."""
        self.integers(np.array([value]), limit)

    def integers(self, values: np.ndarray, limit: int) -> None:
        """Write 0 ≤ values [n] < limit, all equally likely, digit by digit, the lowest first."""
        for size in _digits(limit):
            if size > 1 and len(values):
                uniform = constriction.stream.model.Uniform(size)
                self._encoder.encode((values % 2**_DIGIT).astype(np.int32), uniform)
            values = values >> _DIGIT

    def rows(self, values: np.ndarray, probabilities: np.ndarray) -> None:
        """Write 0 ≤ values [n], each by its own row of float32 ``probabilities`` [n, symbols]."""
        self._encoder.encode(values.astype(np.int32), ROWS, probabilities)

    def finish(self) -> bytes:
        """Return the bytes of the stream, without zeros at the end: the reader supplies them."""
        words = self._encoder.get_compressed()
        # The coder counts in 32-bit words; zero bytes at the end carry nothing.
        return words.astype("<u4").tobytes().rstrip(b"\0")


class Reader(_Checked):
    """A range decoder of the bytes of a :class:`Writer`, in the same order of calls."""

    def __init__(self, data: bytes):
        words = np.frombuffer(data + b"\0" * (-len(data) % 4), "<u4").astype(np.uint32)
        self._decoder = constriction.stream.queue.RangeDecoder(words)

    def symbols(self, groups: np.ndarray, tables: list[FrequencyTable]) -> np.ndarray:
        """Read int32 [n]; ``groups`` as in :meth:`Writer.symbols`.

        Raises:
          UnreadableError: if a magnitude reaches :data:`LARGEST`.
        """
        values = np.empty(len(groups), np.int32)
        for table, places in zip(tables, places_by_table(groups, len(tables)), strict=True):
            if len(places):
                values[places] = self._group(len(places), table)
        return values

    def _group(self, count: int, table: FrequencyTable) -> np.ndarray:
        m = table.reach
        coded = np.asarray(self._decoder.decode(table.model, count), np.int32)
        values = coded - m
        for place in np.flatnonzero(coded == 2 * m + 1):
            sign, excess = self.escaped()
            if m + excess >= LARGEST:
                raise UnreadableError("a symbol beyond 2^30")
            values[place] = sign * (m + excess)
        return values

    def escaped(self) -> tuple[int, int]:
        """Read a sign, ±1, and a magnitude, see :meth:`Writer.escaped`."""
        sign = -1 if self.integer(2) else 1
        return sign, self.integer(1 << self.integer(32))

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
        """Return False if data is certainly left over."""
        return self._decoder.maybe_exhausted()
