import re

from matplotlib.figure import Figure

from rdbound.report.figures.style import titles
from rdbound.report.svg import figure_svg


def _figure(count):
    figure = Figure()
    axes = figure.add_subplot()
    (line,) = axes.plot([1, 2, 3], [3, 1, 2], marker="o")
    line.set_gid(titles(f"point {n}, a<b" for n in range(count)))
    (bar,) = axes.bar(5, 2)
    bar.set_gid(titles(["the bar"]))
    return figure


def test_each_marker_and_bar_has_its_title():
    svg = figure_svg(_figure(3), "name")
    assert sorted(re.findall("<title>(.*?)</title>", svg)) == [
        *(f"point {n}, a&lt;b" for n in range(3)),
        "the bar",
    ]
    assert len(re.findall("<use[^>]*><title>point", svg)) == 3
    assert svg.startswith("<svg")
    assert "titles:" not in svg
    assert figure_svg(_figure(3), "name") == svg, "the same figure is the same text"


def test_titles_of_another_number_than_the_points_are_left_out():
    assert re.findall("<title>(.*?)</title>", figure_svg(_figure(2), "name")) == ["the bar"]
