import jax

from rdbound.channels import GaussianChannel
from rdbound.cli.main import main
from rdbound.config import load_config
from rdbound.runs import known_answers


def test_verify_passes_and_a_broken_rate_fails_naming_the_method(config, monkeypatch, capsys):
    monkeypatch.setattr(known_answers, "VERIFY", config)
    assert main(["verify"]) == 0
    assert "no upper bound below the truth" in capsys.readouterr().out
    whole = GaussianChannel.__call__

    def halved(self, posterior, prior, key):
        sample, bits = whole(self, posterior, prior, key)
        return type(whole(self, posterior, prior, key))(sample, 0.5 * bits)

    monkeypatch.setattr(GaussianChannel, "__call__", halved)
    # The programs of the first run know the whole rate.
    jax.clear_caches()
    assert main(["verify"]) == 1
    jax.clear_caches()
    out = capsys.readouterr().out
    assert "WRONG: neural-upper on gaussian" in out
    assert "no upper bound below" not in out


def test_the_shipped_subset_is_a_valid_config():
    section = load_config(known_answers.VERIFY).laboratory
    assert {m.name for case in section.cases for m in case.methods} >= {
        "blahut-arimoto",
        "nerd",
        "neural-lower",
        "neural-upper",
        "shannon-lower",
        "wasserstein",
    }
