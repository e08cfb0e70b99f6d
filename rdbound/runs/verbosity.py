"""How much commands say while they work."""

__all__ = ["is_quiet", "set_quiet"]

_quiet = False


def set_quiet(quiet: bool) -> None:
    """Whether bars are left out; results, warnings and errors are said all the same."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether bars are left out."""
    return _quiet
