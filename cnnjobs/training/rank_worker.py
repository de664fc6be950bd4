"""The name by which jobs that an earlier version has started begin a rank; goes with 0.3.0."""

from __future__ import annotations

import sys

from cnnjobs.worker.rank_main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
