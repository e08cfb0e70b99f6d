"""The command line: ``rdbound COMMAND``."""

__all__: list[str] = []
