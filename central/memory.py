"""What the C library keeps of memory that nobody uses any more, and its return to the system.

A centre lives for months, and its peaks are short: the imports at its start, and whatever a large import or
export takes. Only glibc keeps so much (mallopt(3), malloc_trim(3)); elsewhere nothing is done.
"""

from __future__ import annotations

import ctypes
import gc
from functools import cache

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_LARGE_BYTES = 32 * 1024
"""What is larger goes back to the system when it is freed; the default grows with every such block. Messages
with a hundred records are about 48 KB, and come and go by the thousand."""

_ARENAS = 1
"""Each thread would get its own, and a centre has more than ten; one of them runs at a time. With two, what
one thread takes and another one frees came to 8 MiB more."""

_NEW_OBJECTS = 20_000
"""A batch of records makes about as many, none of them in a circle, and all are gone once it is committed. At
each 700, as the collector comes, it looked at them while they were needed: 7 % of a backlog's time."""


def keep_small() -> None:
    """To be called before threads are started."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_ARENA_MAX, _ARENAS)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def settle() -> None:
    """Once all is loaded: what is there now stays, and the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
