"""Rows on Kodak whose BD-rates against VTM-22.0 are known."""

from rdbound import reference
from rdbound.tables.rd import Row


def kodak_rows(factors, images=("kodim01", "kodim02", "kodim03", "kodim04")):
    """Points of VTM-22.0 at ``factors`` {(model, method): of the rate}; λ rises with the rate."""
    anchor = reference.find_curve("kodak", "vtm-22.0")
    rows = []
    for (model, method), factor in factors.items():
        for image in images:
            points = sorted((p for p in anchor.points if p.image == image), key=lambda p: p.bpp)
            for place, p in enumerate(points):
                lmbda = 0.001 * 2**place
                bpp = factor * p.bpp
                size = round(bpp * 49152) if method.endswith("coded") else None
                rows.append(
                    Row(
                        "kodak",
                        image,
                        model,
                        lmbda,
                        method,
                        393216,
                        bpp * 393216,
                        size,
                        bpp,
                        p.mse,
                        p.psnr,
                        0.9 + 0.01 * place,
                        bpp + lmbda * p.mse,
                        None,
                        300 if "refined" in method else 0,
                        1,
                        0,
                    )
                )
    return rows
