"""Memory that nobody uses any more goes back to the system. With glibc, which our machines have."""

import subprocess
import sys

_RESIDENT = """if True:
    from gateway.memory import give_back

    def resident_mib():
        lines = open("/proc/self/status").read().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) // 1024

    blocks = [bytes(1_000) for _ in range(50_000)]
    blocks = blocks[-1:]  # the last one is what keeps all before it from going back by itself
    before = resident_mib()
    give_back()
    print(before - resident_mib())
"""

_ARENAS = """if True:
    import ctypes, threading
    from gateway.memory import keep_small

    {call}
    together = threading.Barrier(8)

    def work():
        together.wait()
        kept.append(bytes(2_000))
        together.wait()

    kept = []
    threads = [threading.Thread(target=work) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    libc = ctypes.CDLL(None)
    libc.fdopen.restype = ctypes.c_void_p
    out = ctypes.c_void_p(libc.fdopen(1, b"w"))
    libc.malloc_info(0, out)
    libc.fflush(out)
"""


def printed(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_what_was_freed_below_something_in_use_goes_back() -> None:
    assert int(printed(_RESIDENT)) > 30


def test_threads_share_two_arenas() -> None:
    assert printed(_ARENAS.format(call="")).count("<heap nr=") > 2
    assert printed(_ARENAS.format(call="keep_small()")).count("<heap nr=") == 2
