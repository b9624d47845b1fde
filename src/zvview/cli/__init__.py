"""The command line, ``zvview``: one module for each command."""

from zvview.cli.app import main

__all__ = ["main"]
