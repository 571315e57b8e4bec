"""The gateway's process from its first moment to its last: hardened, signals waited for, the daemon ended."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from gateway.clock import SystemClock
from gateway.daemon import Daemon
from gateway.hardening import harden
from gateway.logs import set_up
from gateway.memory import keep_small
from gateway.service_manager import ServiceManager
from gateway.settings import load_settings

_LOOK_S = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(settings: Path) -> int:
    """Until Ctrl-C or SIGTERM; returns the exit code. Raises GatewayError, or drivers' ConfigurationError."""
    harden()
    keep_small()
    loaded = load_settings(settings)
    set_up(loaded.log, sys.stderr)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    service = ServiceManager.from_environment()
    daemon = Daemon(loaded, SystemClock(kept_by_host=loaded.clock.kept_right_by == "host"), service)
    # Waited for, not handled: a handler could interrupt this thread while it holds the very lock it needs.
    # Every thread that is started from here on leaves them alone too.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    daemon.start()
    sys.stdout.write("ready\n")  # one piece also when nothing is buffered: the log may share the file
    sys.stdout.flush()
    while not daemon.wait_for_stop(0.0):
        received = signal.sigtimedwait(_SIGNALS, _LOOK_S)
        if received is not None and received.si_signo == signal.SIGHUP:
            service.reloading()
            daemon.reload()
            service.ready()
        elif received is not None:
            daemon.stop()
    daemon.wait()
    service.close()
    return 1 if daemon.fell else 0
