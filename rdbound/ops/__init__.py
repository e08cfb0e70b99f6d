"""Leaf numerics: Gaussian divergences, bin probabilities, rounding and its relaxations.

Nothing here knows of models or channels. Scales go by their logarithms
(``log_sigma``), which no optimizer can make negative. Names tell the unit: what
ends in ``_bits`` is in bits, what is called ``log_…`` in nats.
"""
