"""Plain Python loops as machine code, where many rows pay for loading numba (half a second and 70 MB, once per process)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any, Final, cast

FEW_ROWS: Final = 16
"""Up to here an answer without numba comes sooner."""

Loop = Callable[..., None]


@cache
def compiled(loop: Loop) -> Loop:
    """The loop as machine code. It runs without the GIL and starts no thread, so it survives a fork.

    Compiled once per machine where numba finds a folder to keep it (beside the source, else NUMBA_CACHE_DIR or the user's own).
    """
    numba: Any = importlib.import_module("numba")
    try:
        return cast(Loop, numba.njit(cache=True, nogil=True, error_model="numpy")(loop))
    except RuntimeError:  # no folder can be written to: compile in each process
        return cast(Loop, numba.njit(nogil=True, error_model="numpy")(loop))
