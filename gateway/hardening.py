"""What a process that sees card numbers does first: no core, no look into its memory, no values in crashes.

trust.md R-65, R-69. What systemd can do stands in the service unit; this holds without it as well.
"""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import resource
import sys
import threading
from types import TracebackType

from gateway.crash_text import crash_text, said_of

log = logging.getLogger(__name__)

_PR_SET_DUMPABLE = 4  # prctl(2)


def harden() -> None:
    """To be called before any secret is read. What the machine forbids is logged, and nothing stops."""
    faulthandler.enable()  # names functions and lines, never values
    _mute_hooks()
    _leave_no_core()


def _leave_no_core() -> None:
    """Both, for a core that is piped to a program ignores the limit; and without the second, any process of
    the same user could read our memory."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError) as error:
        log.warning("core files cannot be switched off (%s); say LimitCORE=0 in the service unit", error)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        reason = os.strerror(ctypes.get_errno())
        log.warning("the kernel does not let this process hide its memory (%s)", reason)


def _mute_hooks() -> None:
    sys.excepthook = _unhandled
    threading.excepthook = _unhandled_in_thread
    sys.unraisablehook = _unraisable


def _unhandled(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    log.critical("the program fell\n%s", crash_text(error))


def _unhandled_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        name = args.thread.name if args.thread is not None else "a thread"
        log.critical("%s fell\n%s", name, crash_text(args.exc_value))


def _unraisable(args: sys.UnraisableHookArgs) -> None:
    """Python would print the object it happened in, with all that its `repr` shows."""
    if args.exc_value is not None:
        log.error("an error where nothing can catch it: %s", said_of(args.exc_value))
