"""python -m ei."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """The `ei` command: runs it and returns its exit code."""
    # Loading makes next to no garbage, and looking for it took a sixth of the time; what runs longer turns it on.
    gc.disable()
    try:
        from ei.cli import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return 130
    finally:
        # The system takes the memory back at once: nothing is looked through a last time.
        gc.freeze()


if __name__ == "__main__":
    sys.exit(main())
