"""Latents written level by level: one coder in the loop over the levels.

Encoder and decoder run the same loop (:mod:`rdbound.objective.levels`) and differ in its step,
which writes or reads. Both compute every level's prior from the latents before it as they were
conveyed, so that no parameter of a prior is sent.
"""

from collections.abc import Callable

import numpy as np

from rdbound.coding.codecs.base import Decoded, Payload, PayloadCoder, Sized
from rdbound.coding.codecs.container import Header
from rdbound.coding.codecs.errors import check_read, unless_lost
from rdbound.coding.coders.base import Coder
from rdbound.coding.entropy.range_coder import Reader, Writer
from rdbound.models.base import VariationalParameters
from rdbound.objective.levels import walk

__all__ = ["LevelByLevel"]


class LevelByLevel(PayloadCoder):
    """Write each level's latent with one coder, then what completes the datum.

    Args:
      coder: the coder.
    """

    def __init__(self, coder: Coder):
        self._coder = coder

    def encode(
        self,
        at: Sized,
        datum: np.ndarray,
        variational: VariationalParameters | None,
        side: bytes | None,
    ) -> Payload:
        """See :meth:`PayloadCoder.encode`."""
        if side:
            raise ValueError("only the coder 'bits-back' takes side information along")
        known = at.infer(datum) if variational is None else variational
        model, writer = at.model, Writer()

        def step(level, prior, state):
            posterior = model.posterior(level, state, known[level])
            return self._coder.write(level, posterior, prior, writer), None

        state = walk(model, at.lmbda, len(known), step).state
        at.kind.write_rest(model, state, datum, writer)
        crc = writer.crc
        return Payload(writer.finish(), crc, self._coder.parameters)

    def decode(self, at: Sized, header: Header, payload: bytes) -> Decoded:
        """See :meth:`PayloadCoder.decode`."""
        model, reader = at.model, Reader(payload)

        def step(level, prior, state):
            return self._coder.read(level, prior, at.shapes[level], reader), None

        def read() -> Callable[[], np.ndarray]:
            state = walk(model, at.lmbda, len(at.shapes), step).state
            return at.kind.read_rest(model, state, at.size, reader)

        datum = unless_lost(read)
        check_read(reader, header)
        return Decoded(datum())
