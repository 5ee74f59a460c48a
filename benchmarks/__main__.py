"""``python -m benchmarks [ROOM | ROOM.WHAT]``: runs benchmarks one after the other; each ends with its one line."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks
from benchmarks.measure import Result


def names() -> list[str]:
    """Names of all benchmarks, ``room.what``: module ``room_what``."""
    found = [info.name for info in pkgutil.iter_modules(benchmarks.__path__) if "_" in info.name.strip("_")]
    return sorted(name.replace("_", ".", 1) for name in found)


def main(wanted: str) -> int:
    """Runs what was asked for. Returns 2 for a name that is none, 1 where a target was missed."""
    chosen = [name for name in names() if not wanted or name == wanted or name.split(".")[0] == wanted]
    if not chosen:
        print(f"There is no benchmark {wanted!r}. There are: {', '.join(names())}", file=sys.stderr)
        return 2
    results: list[Result] = []
    for name in chosen:
        results += importlib.import_module(f"benchmarks.{name.replace('.', '_', 1)}").run()
    for result in results:
        print(result.line())
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
