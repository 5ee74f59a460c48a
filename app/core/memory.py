"""Memory that a process gave back and wants again a moment later."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_LARGEST_MMAP_THRESHOLD: Final = 32 * 1024 * 1024
"""What glibc accepts at most."""
_KEPT: Final = 256 * 1024 * 1024


def keep_freed_memory() -> None:
    """Lets a worker keep the memory of large arrays between two of them (at most 256 MB at the top of its heap).

    Otherwise libc returns each to the kernel and gets fresh pages for the next, every one of which costs a fault: a fifth of what
    features cost, more on a busy virtual machine. Where the C library is not glibc nothing changes.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_TRIM_THRESHOLD, _KEPT)
