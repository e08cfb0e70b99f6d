"""The report of channels, of numbers made up."""

import numpy as np

from rdbound.report.figures.channels import DrawnChannel
from rdbound.report.markdown import document_lines
from rdbound.report.sections.channels import channels_report, shown_channels
from rdbound.tables.channels import ChannelUse, write_channel_uses


def _use(level, channel, kl, offset=0.5, points=None):
    return ChannelUse(level, channel, 0.5, kl, offset, 0.25, points, 2 * kl)


USES = [_use(0, 0, 0.1), _use(0, 1, 0.0, offset=0.001), *(_use(1, k, 0.01 * k) for k in range(11))]


def _report(uses):
    x = np.linspace(-1, 1, 5)
    drawn = [DrawnChannel(use, x, 1 - x**2, 1 - x**2) for use in shown_channels(uses)]
    return "\n".join(document_lines(channels_report("Channels", uses, drawn)))


def test_levels_are_summed_and_collapsed_channels_named():
    text = _report(USES)
    lines = [line for line in text.splitlines() if "|" in line]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert ["0", "2", "1", "0.1000", "0.250", "–", "0.2000"] in cells
    assert ["1", "11", "11", "0.5500", "0.250", "–", "1.1000"] in cells
    assert "1 channel has collapsed (level/channel): 0/1." in text
    # Bits an element: of a channel with half an element a pixel twice those a pixel.
    assert ["1/10", "0.2000", "0.5000", "0.2500", "–", "0.4000"] in cells


def test_code_points_stand_beside_the_grid():
    uses = [_use(0, k, 0.2, points=0.3) for k in range(3)]
    assert "0.9000" in _report(uses)
    assert "No channel has collapsed." in _report(uses)


def test_a_long_list_of_collapsed_channels_is_cut():
    uses = [_use(0, k, 0.0, offset=0.0) for k in range(60)]
    assert "60 channels have collapsed" in _report(uses)
    assert "0/39 and 20 more." in _report(uses)


def test_the_channels_shown_span_what_they_tell():
    shown = [(use.level, use.channel) for use in shown_channels(USES)]
    assert shown == [(0, 0), (0, 1), (1, 10), (1, 9), (1, 6), (1, 0)]


def test_what_moves_the_mean_by_a_hundredth_of_the_variance_is_active():
    assert _use(0, 0, 0.1, offset=0.0101).active
    assert not _use(0, 0, 0.1, offset=0.0099).active


def test_a_table_has_every_channel(tmp_path):
    write_channel_uses(tmp_path / "channels.csv", USES)
    lines = (tmp_path / "channels.csv").read_text().splitlines()
    assert lines[0] == "level,channel,share,kl,offset,noise,points,grid"
    assert len(lines) == 1 + len(USES)
    assert lines[1].split(",")[3:] == ["0.1", "0.5", "0.25", "", "0.2"]
