"""Integers through constriction's ANS coder: last in, first out, and bits back.

Popping symbols from a stack of arbitrary bits draws them with the probabilities of the
tables; pushing them again restores the bits. What does not fit a table's integers is told
beside the stack (:class:`rdbound.coding.entropy.range_coder.Writer`), in the order of reading.
"""

import constriction
import numpy as np

from rdbound.coding.entropy.frequency_tables import FrequencyTable
from rdbound.coding.entropy.range_coder import LARGEST, ROWS, Reader, UnreadableError, Writer

__all__ = ["BitStack", "read_excess", "write_excess"]


class BitStack:
    """Bits on which symbols are pushed, and from which they are popped.

    Args:
      words: uint32 [n], what lies there at first.
      whole: whether they are any words, and not what :attr:`words` returned.

    Raises :class:`rdbound.coding.entropy.range_coder.UnreadableError` for words that were never
    returned.
    """

    def __init__(self, words: np.ndarray, whole: bool = False):
        try:
            self._coder = constriction.stream.stack.AnsCoder(words.astype(np.uint32), whole)
        except ValueError:
            raise UnreadableError("words that no stack leaves: they end in a zero") from None

    @property
    def words(self) -> np.ndarray:
        """All that is there, uint32 [n]."""
        return self._coder.get_compressed()

    @property
    def bits(self) -> int:
        """How many there are."""
        return self._coder.num_valid_bits()

    def original(self) -> np.ndarray:
        """The words of before, where all that was pushed was popped, and the reverse.

        Raises :class:`rdbound.coding.entropy.range_coder.UnreadableError` where it was not.
        """
        try:
            return self._coder.get_compressed(unseal=True)
        except AssertionError:
            raise UnreadableError("what remains is not what side information leaves") from None

    def push(self, values: np.ndarray, groups: np.ndarray, tables: list[FrequencyTable]) -> None:
        """Push integers [n], each through the table that ``groups`` [n] names.

        A magnitude beyond its table is its escape symbol: see :func:`write_excess`.
        """
        order, ends = _in_order(groups, len(tables))
        parts = np.split(values[order], ends[:-1])
        for table, part in reversed(list(zip(tables, parts, strict=True))):
            if len(part):
                m = table.reach
                coded = np.where(np.abs(part) > m, 2 * m + 1, part + m).astype(np.int32)
                self._coder.encode_reverse(coded, table.model)

    def pop(self, groups: np.ndarray, tables: list[FrequencyTable]) -> np.ndarray:
        """Pop int32 [n]; an escape symbol is the integer next above its table."""
        order, ends = _in_order(groups, len(tables))
        values = np.empty(len(groups), np.int32)
        for table, place in zip(tables, np.split(order, ends[:-1]), strict=True):
            if len(place):
                coded = np.asarray(self._coder.decode(table.model, len(place)), np.int32)
                values[place] = coded - table.reach
        return values

    def push_rows(self, values: np.ndarray, probabilities: np.ndarray) -> None:
        """Push 0 ≤ values [n], each by its own row of float32 ``probabilities`` [n, symbols]."""
        self._coder.encode_reverse(values.astype(np.int32), ROWS, probabilities)

    def pop_rows(self, probabilities: np.ndarray) -> np.ndarray:
        """Pop int32 [n], each by its own row of ``probabilities`` [n, symbols]."""
        return np.asarray(self._coder.decode(ROWS, probabilities), np.int32)

    def push_bits(self, values: np.ndarray, bits: int) -> None:
        """Push 0 ≤ values [n] < 2^bits, all values alike; ``bits`` is at most 16."""
        if bits and len(values):
            self._coder.encode_reverse(values.astype(np.int32), _uniform(bits))

    def pop_bits(self, count: int, bits: int) -> np.ndarray:
        """Pop int64 [count] below 2^bits."""
        if not bits or not count:
            return np.zeros(count, np.int64)
        return np.asarray(self._coder.decode(_uniform(bits), count), np.int64)


def _uniform(bits: int) -> constriction.stream.model.Uniform:
    return constriction.stream.model.Uniform(1 << bits)


def _in_order(groups: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(the order by table, where each table's end)."""
    order = np.argsort(groups, kind="stable")
    return order, np.searchsorted(groups[order], np.arange(count), side="right")


def write_excess(
    stream: Writer, values: np.ndarray, groups: np.ndarray, tables: list[FrequencyTable]
) -> None:
    """Write what :meth:`BitStack.push` of ``values`` [n] cannot say: those beyond their table.

    Raises ValueError for a magnitude that reaches 2^30.
    """
    if np.abs(values).max(initial=0) >= LARGEST:
        raise ValueError("a latent lies 2^30 from its prior: the model cannot code this")
    reach = np.array([table.reach for table in tables])[groups]
    for value in values[np.abs(values) > reach]:
        stream.integer(int(value < 0), 2)
        length = int(abs(int(value))).bit_length()
        stream.integer(length, 32)
        stream.integer(abs(int(value)), 1 << length)


def read_excess(
    stream: Reader, popped: np.ndarray, groups: np.ndarray, tables: list[FrequencyTable]
) -> np.ndarray:
    """What was pushed: :meth:`BitStack.pop`'s integers [n], escapes replaced by what was written.

    Raises :class:`rdbound.coding.entropy.range_coder.UnreadableError` for one that no writer
    writes.
    """
    values = popped.copy()
    reach = np.array([table.reach for table in tables])[groups]
    for place in np.flatnonzero(popped > reach):
        sign = -1 if stream.integer(2) else 1
        magnitude = stream.integer(1 << stream.integer(32))
        if not reach[place] < magnitude < LARGEST:
            raise UnreadableError("an escaped symbol that needs no escape, or beyond 2^30")
        values[place] = sign * magnitude
    return values
