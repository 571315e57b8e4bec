"""httpx as the tests use it, towards servers of their own that encrypt nothing.

httpx reads all authorities of the world for each client that it makes, and makes one for each single
request: some 30 ms of a processor, more than most answers take. Here none are read, and no certificate is
believed.
"""

from __future__ import annotations

import ssl
from contextlib import AbstractContextManager
from typing import Any, Final

import httpx

_NOBODY: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Client(httpx.Client):
    def __init__(self, **how: Any) -> None:
        super().__init__(verify=_NOBODY, **how)


def request(method: str, url: str, **how: Any) -> httpx.Response:
    return httpx.request(method, url, verify=_NOBODY, **how)


def get(url: str, **how: Any) -> httpx.Response:
    return request("GET", url, **how)


def post(url: str, **how: Any) -> httpx.Response:
    return request("POST", url, **how)


def stream(method: str, url: str, **how: Any) -> AbstractContextManager[httpx.Response]:
    return httpx.stream(method, url, verify=_NOBODY, **how)
