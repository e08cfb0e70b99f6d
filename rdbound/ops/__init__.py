"""Formulas: KL divergences, bin probabilities, rounding and its relaxations.

Nothing here depends on models or channels. Scales are given by their logarithms
(``log_sigma``), which no optimizer can make negative. Values whose names end in ``_bits`` are in
bits, those named ``log_…`` in nats.
"""
