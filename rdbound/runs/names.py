"""What the files of a run's folder are called."""

__all__ = ["CONFIG", "GAP_TABLE", "INPUTS", "PAGE", "PICTURES", "PROVENANCE", "RD_TABLE"]

CONFIG = "config.yaml"
INPUTS = "inputs.json"
PROVENANCE = "provenance.json"
RD_TABLE = "rd.csv"
GAP_TABLE = "gaps.csv"
PAGE = "index.html"
PICTURES = "pictures"
