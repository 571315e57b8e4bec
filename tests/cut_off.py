"""A console and a browser in a network namespace of their own, in which there is nothing but the loopback.

    python tests/cut_off.py FOLDER

says as JSON which networks there were, and of each page what came of it. Started by
`test_central_console_cut_off.py`.
"""

import errno
import fcntl
import json
import socket
import struct
import sys
from pathlib import Path

from console_support import Console, a_console
from playwright.sync_api import Page as Shown
from playwright.sync_api import Response

from central.accounts.who import Role
from central.console.registry import Page, all_pages

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1  # linux/sockios.h, linux/if.h
_ELSEWHERE = ("192.0.2.1", 443)  # RFC 5737: nobody's


def bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sh14x", b"lo", 0)
        _, flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, asked))
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def reaches_elsewhere() -> bool:
    with socket.socket() as any_socket:
        any_socket.settimeout(1.0)
        return any_socket.connect_ex(_ELSEWHERE) != errno.ENETUNREACH


def opened(console: Console, page: Page) -> dict[str, object]:
    console.complaints.said.clear()
    console.complaints.elsewhere.clear()
    failed: list[str] = []
    loaded: list[Response] = []
    with console.as_role(next(role for role in Role if role in page.roles), "zh") as shown:
        shown.on("requestfailed", lambda asked: failed.append(asked.url))
        shown.on("response", lambda answer: loaded.append(answer))  # noqa: PLW0108  it takes no method of a list
        answer = shown.goto(page.path, wait_until="load")
        return {
            "status": answer.status if answer else None,
            "headings": shown.locator("h1").count(),
            "styled": _is_styled(shown),
            "bytes": sum(len(each.body()) for each in loaded if _has_an_end(each)),
            "failed": list(failed),  # what the context's end cuts short is no failure
            "complaints": [*console.complaints.said, *console.complaints.elsewhere],
        }


def _has_an_end(answer: Response) -> bool:
    return not answer.headers["content-type"].startswith("text/event-stream")


def _is_styled(shown: Shown) -> bool:
    """Whether the page's own colours and spaces arrived, and its scripts ran."""
    return bool(
        shown.evaluate(
            "() => [...document.styleSheets].length > 0"
            " && [...document.styleSheets].every(sheet => sheet.cssRules.length > 0)"
            " && typeof htmx === 'object'"
        )
    )


def main(folder: Path) -> None:
    bring_up_loopback()
    networks = [name for _, name in socket.if_nameindex()]
    found = {"networks": networks, "reaches_elsewhere": reaches_elsewhere()}
    with a_console(folder) as console:
        pages = {page.name: opened(console, page) for page in all_pages()}
    sys.stdout.write(json.dumps({**found, "pages": pages}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
