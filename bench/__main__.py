"""`python -m bench` runs the short benchmarks; `python -m bench NAME …` runs one of them with its options."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

SHORT = ("start", "reading", "checkpoint", "share", "decoding")
PARTS = ("__init__", "__main__", "measured", "record")


def main() -> None:
    names = [p.stem for p in Path(__file__).parent.glob("*.py") if p.stem not in PARTS]
    chosen, rest = (sys.argv[1:2], sys.argv[2:]) if len(sys.argv) > 1 else (SHORT, [])
    for name in chosen:
        if name not in names:
            sys.exit(f"unknown benchmark {name!r}; choices: {', '.join(sorted(names))}")
        sys.argv = [f"bench {name}", *rest]
        try:
            runpy.run_module(f"bench.{name}", run_name="__main__")
        except KeyboardInterrupt:
            sys.exit(f"bench {name}: stopped, no record written")


main()
