"""``python -m rdbound`` is the command ``rdbound``."""

from rdbound.cli.main import script

__all__: list[str] = []

if __name__ == "__main__":
    script()
