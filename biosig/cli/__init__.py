"""The command line."""

from biosig.cli.main import main

__all__ = ["main"]
