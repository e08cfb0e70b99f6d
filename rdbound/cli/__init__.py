"""The commands of the command line, each with what it is told."""

__all__: list[str] = []
