"""All benchmarks that take minutes, one after the other: `make bench`.

    python -m benchmarks                        # all of them
    python -m benchmarks steps sweep --data-dir DIR --results DIR

Each can be run alone, with its own options: python -m benchmarks.steps --help. The accuracy of the fast path takes
hours and is run alone.
"""

from __future__ import annotations

import argparse
import importlib
import os
import time
from pathlib import Path
from typing import Final

_ORDER: Final = ("steps", "stacked", "sweep", "side_by_side", "startup", "growth", "time_to_accuracy")


def main() -> None:
    """Run what is asked for, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(_ORDER))
    parser.add_argument("--data-dir", type=Path, help="where data sets are looked for first; else the bundled images")
    parser.add_argument("--results", type=Path, help="where finished runs of sweeps/task3.yaml are")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in _ORDER]:
        parser.error(f"no benchmark is called {' or '.join(unknown)}; allowed: {', '.join(_ORDER)}")
    if given.data_dir:
        os.environ["CNNJOBS_DATA"] = str(given.data_dir.absolute())
    own = {"time_to_accuracy": ["--results", str(given.results)]} if given.results else {}
    started = time.monotonic()
    for name in given.names or _ORDER:
        print(f"--- {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main(own.get(name, []))
        print(f"--- {name}: {(time.monotonic() - started) / 60:.1f} minutes since the start\n", flush=True)


if __name__ == "__main__":
    main()
