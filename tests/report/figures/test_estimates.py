import pytest

from rdbound.report.figures import estimates
from tests.answers import make_answer


def test_a_figure_of_one_source_refuses_two():
    with pytest.raises(ValueError, match="not of 2"):
        estimates.source_figure([make_answer(), make_answer(source="t")])
    figure = estimates.source_figure(
        [
            make_answer(),
            make_answer(method="low", side="lower", rate=0.4, distortion=0.6, exact_rate=0.4),
        ]
    )
    labels = {t.get_text() for t in figure.axes[0].get_legend().get_texts()}
    assert {"exact R(D)", "m", "low"} <= labels
