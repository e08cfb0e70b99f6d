"""Report the KL divergence and the use of each channel of a bound."""

from collections.abc import Collection
from pathlib import Path

from rdbound.checkpoints.checkpoint import load
from rdbound.evaluation.latent_statistics import channel_shapes, channel_uses, latents_of
from rdbound.images.sets import named_images
from rdbound.models.base import check_lmbda
from rdbound.report.figures.channels import DrawnChannel
from rdbound.report.markdown import document_lines
from rdbound.report.sections.channels import channels_report, shown_channels
from rdbound.report.write import write_document
from rdbound.tables.channels import write_channel_uses
from rdbound.utils.progress import LOG, SILENT, Progress

__all__ = ["channels_run"]


def channels_run(
    checkpoint: str,
    images: str,
    output: Path,
    count: int,
    lmbda: float | None = None,
    outside: Collection[str] = (),
    progress: Progress = SILENT,
) -> None:
    """Write channels.csv, a report and its figures, and log the report.

    Args:
      checkpoint: file or name of a bound of images.
      images: see :func:`rdbound.images.sets.named_images`.
      output: the folder; its files are replaced.
      count: number of images, the first ones.
      lmbda: λ; the geometric middle of the model's range by default.
      outside: see :func:`rdbound.checkpoints.checkpoint.load`.
      progress: shown the number of images seen.

    Raises:
      ValueError: for the checkpoint of a codec or of vectors.
    """
    loaded = load(checkpoint, outside)
    model = loaded.model
    if model.form != "bound" or model.stride == 1:
        raise ValueError(f"{checkpoint}: channels are those of a bound of images, of form 'bound'")
    low, high = model.lmbda_range
    rate = check_lmbda((low * high) ** 0.5 if lmbda is None else lmbda, model.lmbda_range)
    chosen = named_images(images).take(count)
    levels = latents_of(model, [chosen[i] for i in range(len(chosen))], rate, progress)
    uses = channel_uses(levels, loaded.tables or {})
    drawn = []
    for use in shown_channels(uses):
        shapes = channel_shapes(use.level, levels[use.level].drawn, use.channel)
        drawn.append(DrawnChannel(use, shapes.at, shapes.prior, shapes.posterior))
    title = f"Channels of {loaded.name} at λ = {rate:.4g}, {len(chosen)} images of {chosen.name}"
    document = channels_report(title, uses, drawn)
    write_document(document, output)
    write_channel_uses(output / "channels.csv", uses)
    LOG.info("\n".join(document_lines(document)))
