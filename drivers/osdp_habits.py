"""What is done about libosdp's habits: a generator that nobody seeds, references that nobody gives up.

Knows the C library and the interpreter, not OSDP. Source: readers.md 6.8, and measured with libosdp 3.2.9.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from typing import Any

_STATE_SIZE = 128  # of the C library's generator: 31 words, and one for itself before them
_OWN_WORD = 4
_state = ctypes.create_string_buffer(_STATE_SIZE)  # for ever: the C library points into it
_give_up = ctypes.pythonapi.Py_DecRef
_give_up.argtypes = [ctypes.py_object]
_give_up.restype = None


def seed_generator() -> None:
    """Gives the C library's generator a state from the operating system: libosdp draws its challenges there.

    The wheel never seeds it, so that each process would send the same challenge and a recording of the reader
    could be played back. srand would leave 32 bits of choice; a whole state leaves none to guess.
    """
    libc = ctypes.CDLL(None)
    seed = ctypes.c_uint(int.from_bytes(os.urandom(4), "little"))
    if hasattr(libc, "gnu_get_libc_version"):
        libc.initstate(seed, _state, ctypes.c_size_t(_STATE_SIZE))
        words = os.urandom(_STATE_SIZE - _OWN_WORD)
        ctypes.memmove(ctypes.addressof(_state) + _OWN_WORD, words, len(words))
    else:
        libc.srand(seed)


class Mender:
    """Takes back the references that the library's binding forgets on one kind of dictionary it hands out.

    Unmended, a board whose inputs are asked for loses 200 MB a day, card numbers among it. How many are
    forgotten is measured at the first one, when nothing else can hold it; a binding that forgets none is left
    alone.
    """

    def __init__(self) -> None:
        self._forgotten: int | None = None

    def mend(self, handed_out: dict[str, Any]) -> None:
        """Empties `handed_out`; to be called once for each, when the library has returned.

        The caller holds it by one name, and nobody else does.
        """
        handed_out.clear()
        forgotten = sys.getrefcount(handed_out) - _references_to_a_new_one()
        if self._forgotten is None:
            # a container that holds it would be found here: such a reference is not forgotten, but used
            self._forgotten = 0 if gc.get_referrers(handed_out) else forgotten
        for _ in range(min(forgotten, self._forgotten)):
            _give_up(handed_out)


def _references_to_a_new_one() -> int:
    """What getrefcount says in `mend` of a dictionary that nobody else holds: measured, not assumed."""

    def count(handed_out: dict[str, Any]) -> int:
        return sys.getrefcount(handed_out)

    mine: dict[str, Any] = {}
    return count(mine)
