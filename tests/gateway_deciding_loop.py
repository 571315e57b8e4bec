"""A process whose loop decides for a while and then stands still, for the tests of the watchdog.

`python gateway_deciding_loop.py ROUNDS`: so many rounds go on, then the loop waits for a lock that it holds
itself, while another thread lives on. With -1 rounds the loop never stands still.
"""

import faulthandler
import sys
import threading
import time

from gateway.service_manager import ServiceManager


def main() -> None:
    faulthandler.enable()
    rounds = int(sys.argv[1])
    manager = ServiceManager.from_environment()
    threading.Thread(target=lambda: threading.Event().wait(3600), daemon=True).start()
    inbox = threading.Lock()
    manager.ready("decides")
    while rounds:
        manager.beat()
        time.sleep(0.01)
        rounds -= 1
    with inbox:
        inbox.acquire()


main()
