"""How far is a lossy codec from Shannon's rate–distortion limit, and why.

    import rdbound

    checkpoint = rdbound.load("res-hyper-4-codec")
    codec = rdbound.Codec(checkpoint.model, checkpoint.tables)
    data = codec.compress(image, lmbda=0.0067)  # uint8 [h, w, 3] → bytes
    image = codec.decompress(data)

A latent model and a channel give R, D and J = R + λ·D of one datum
(:func:`objective`); everything else is that function at other arguments: averaged
over data in training, minimized over one datum's evidence by :func:`refine`.
"""

from rdbound.channels import make_channel
from rdbound.checkpoint import load
from rdbound.coding import BitstreamError, Codec
from rdbound.models import make_model
from rdbound.objective import objective
from rdbound.refinement import refine
from rdbound.tables.rd import read_table

__all__ = [
    "BitstreamError",
    "Codec",
    "load",
    "make_channel",
    "make_model",
    "objective",
    "read_table",
    "refine",
]
