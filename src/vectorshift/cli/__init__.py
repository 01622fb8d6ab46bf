"""The command line: `vectorshift`."""

from __future__ import annotations

import sys
from importlib import import_module

__all__ = ["main"]

# SOURCE_FAILED in `vectorshift.cli.exits`; 1 would mean that the API rejects the key
_MISSING_EXTRA = 3


def main() -> None:
    """Run the command line, or say which extra it needs."""
    try:
        import_module("rich")  # if it is missing, fail here rather than half-way through a command
        from vectorshift.cli.app import run

        code = run()
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        print("The command line needs an extra: pip install 'vectorshift[cli]>=2'", file=sys.stderr)
        code = _MISSING_EXTRA
    except KeyboardInterrupt:  # during the imports
        code = 130
    sys.exit(code)
