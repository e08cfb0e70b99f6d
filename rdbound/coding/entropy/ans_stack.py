"""Integers through constriction's ANS coder: last in, first out, and bits back.

Popping symbols from a stack of arbitrary bits draws them with the probabilities of the
tables; pushing them again restores the bits. Integers beyond their table are written into a
stream beside the stack (:class:`rdbound.coding.entropy.range_coder.Writer`), in the order of
reading.
"""

import constriction
import numpy as np

from rdbound.coding.entropy.frequency_tables import FrequencyTable, symbols_within
from rdbound.coding.entropy.range_coder import (
    LARGEST,
    ROWS,
    Reader,
    UnreadableError,
    Writer,
    places_by_table,
)

__all__ = ["BitStack", "read_excess", "write_excess"]


class BitStack:
    """A stack of bits on which symbols are pushed, and from which they are popped.

    Args:
      words: first content, uint32 [n].
      whole: whether these are arbitrary words, not those of :attr:`words`.

    Raises:
      UnreadableError: if the words are not ``whole`` and were never returned by :attr:`words`.
    """

    def __init__(self, words: np.ndarray, whole: bool = False):
        try:
            self._coder = constriction.stream.stack.AnsCoder(words.astype(np.uint32), whole)
        except ValueError:
            raise UnreadableError("words that no stack leaves: they end in a zero") from None

    @property
    def words(self) -> np.ndarray:
        """The content, uint32 [n]."""
        return self._coder.get_compressed()

    @property
    def bits(self) -> int:
        """The number of bits of the content."""
        return self._coder.num_valid_bits()

    def original(self) -> np.ndarray:
        """Return the ``whole`` words of the start, after all pushes and pops were undone.

        Raises:
          UnreadableError: if they were not undone.
        """
        try:
            return self._coder.get_compressed(unseal=True)
        except AssertionError:
            raise UnreadableError("what remains is not what side information leaves") from None

    def push(self, values: np.ndarray, groups: np.ndarray, tables: list[FrequencyTable]) -> None:
        """Push integers [n], each through the table whose index is in ``groups`` [n].

        A magnitude beyond its table is its escape symbol: see :func:`write_excess`.
        """
        parts = places_by_table(groups, len(tables))
        for table, places in reversed(list(zip(tables, parts, strict=True))):
            if len(places):
                coded = symbols_within(values[places], table.reach)
                self._coder.encode_reverse(coded, table.model)

    def pop(self, groups: np.ndarray, tables: list[FrequencyTable]) -> np.ndarray:
        """Pop int32 [n]; an escape symbol is the integer next above its table."""
        values = np.empty(len(groups), np.int32)
        for table, places in zip(tables, places_by_table(groups, len(tables)), strict=True):
            if len(places):
                coded = np.asarray(self._coder.decode(table.model, len(places)), np.int32)
                values[places] = coded - table.reach
        return values

    def push_rows(self, values: np.ndarray, probabilities: np.ndarray) -> None:
        """Push 0 ≤ values [n], each by its own row of float32 ``probabilities`` [n, symbols]."""
        self._coder.encode_reverse(values.astype(np.int32), ROWS, probabilities)

    def pop_rows(self, probabilities: np.ndarray) -> np.ndarray:
        """Pop int32 [n], each by its own row of ``probabilities`` [n, symbols]."""
        return np.asarray(self._coder.decode(ROWS, probabilities), np.int32)

    def push_bits(self, values: np.ndarray, bits: int) -> None:
        """Push 0 ≤ values [n] < 2^bits, all equally likely; ``bits`` is at most 16."""
        if bits and len(values):
            self._coder.encode_reverse(values.astype(np.int32), _uniform(bits))

    def pop_bits(self, count: int, bits: int) -> np.ndarray:
        """Pop int64 [count] below 2^bits."""
        if not bits or not count:
            return np.zeros(count, np.int64)
        return np.asarray(self._coder.decode(_uniform(bits), count), np.int64)


def _uniform(bits: int) -> constriction.stream.model.Uniform:
    return constriction.stream.model.Uniform(1 << bits)


def write_excess(
    stream: Writer, values: np.ndarray, groups: np.ndarray, tables: list[FrequencyTable]
) -> None:
    """Write those of the integers of :meth:`BitStack.push` that lie beyond their tables.

    Raises:
      ValueError: if a magnitude reaches 2^30.
    """
    if np.abs(values).max(initial=0) >= LARGEST:
        raise ValueError("a latent lies 2^30 from its prior: the model cannot code this")
    reach = np.array([table.reach for table in tables])[groups]
    for value in values[np.abs(values) > reach]:
        # Whole magnitudes, not their excess as in Writer.symbols: streams have been written so.
        stream.escaped(value < 0, abs(int(value)))


def read_excess(
    stream: Reader, popped: np.ndarray, groups: np.ndarray, tables: list[FrequencyTable]
) -> np.ndarray:
    """Return the integers of :meth:`BitStack.pop`, escape symbols replaced by what was written.

    Raises:
      UnreadableError: if an escaped integer lies within its table or reaches 2^30.
    """
    values = popped.copy()
    reach = np.array([table.reach for table in tables])[groups]
    for place in np.flatnonzero(popped > reach):
        sign, magnitude = stream.escaped()
        if not reach[place] < magnitude < LARGEST:
            raise UnreadableError("an escaped symbol that needs no escape, or beyond 2^30")
        values[place] = sign * magnitude
    return values
