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
import sys
import time
import traceback
from pathlib import Path
from typing import Final

from benchmarks import reports

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
    failed = [name for name in given.names or _ORDER if not _run(name, _words(name, given.results))]
    if failed:
        sys.exit(f"failed, with what is told above: {', '.join(failed)}")


def _words(name: str, results: Path | None) -> list[str]:
    """Arguments of one of them beyond its defaults."""
    if name != "time_to_accuracy":
        return []
    if results is None and reports.gpu_name():
        return ["--train"]  # minutes on a GPU, hours on a CPU
    return ["--results", str(results)] if results else []


def _run(name: str, words: list[str]) -> bool:
    """Run one, and say how long it took; False when it failed, which the others do not suffer from."""
    print(f"--- {name}", flush=True)
    started = time.monotonic()
    try:
        importlib.import_module(f"benchmarks.{name}").main(words)
    except Exception:
        traceback.print_exc()
        return False
    finally:
        print(f"--- {name}: {(time.monotonic() - started) / 60:.1f} minutes\n", flush=True)
    return True


if __name__ == "__main__":
    main()
