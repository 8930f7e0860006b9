"""python -m ei."""

from __future__ import annotations

import sys


def main() -> int:
    """The `ei` command: runs it and returns its exit code."""
    from ei.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
