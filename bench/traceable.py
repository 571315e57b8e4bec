"""The gateway, allowing to be traced: so that faults can be put into it while it runs, also without root.

`python -m bench.traceable run --settings FILE` is `liuhen-gateway run --settings FILE`.
"""

from __future__ import annotations

import ctypes

import gateway.cli

_PR_SET_PTRACER = 0x59616D61
_ANYBODY = ctypes.c_ulong(-1)


def main() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANYBODY, 0, 0, 0)  # fails harmlessly where nothing restricts it
    gateway.cli.main()


if __name__ == "__main__":
    main()
