"""What the files of a run's folder are called."""

__all__ = ["CONFIG", "GAPS", "INPUTS", "PAGE", "PICTURES", "PROVENANCE", "TABLE"]

CONFIG = "config.yaml"
INPUTS = "inputs.json"
PROVENANCE = "provenance.json"
TABLE = "rd.csv"
GAPS = "gaps.csv"
PAGE = "index.html"
PICTURES = "pictures"
