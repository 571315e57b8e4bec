"""A look-up with purpose and case, page by page, and the live feed with resume: all in the standard library.

    python api_client.py look-up http://localhost:8080   # asks for login, password and code
    python api_client.py feed http://localhost:8080      # a machine's token stands in LIUHEN_TOKEN

Docs: api-guide.md, api-guide.zh.md.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.cookiejar import CookieJar
from typing import Any

PAGE = 25
COMES_BACK = (429, 502, 503, 504)
"""Answers after which asking again a moment later is right."""


class Refused(Exception):
    """The centre's own words: what is wrong, and what to do (problem details, RFC 9457)."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(f"{problem['status']} {problem['title']}: {problem['detail']}")
        self.status = problem["status"]


class Centre:
    """The API of one centre. `token`: a machine's; people sign in."""

    def __init__(self, address: str, token: str | None = None) -> None:
        self._address = address
        self._token = token
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def sign_in(self, login: str, password: str, code: str) -> None:
        """Both factors; the cookie jar keeps the session."""
        self.send("POST", "/sign-in", {"login": login, "password": password})
        self.send("POST", "/sign-in/code", {"code": code})

    def send(self, method: str, path: str, body: object = None) -> Any:
        """The answer. Waits where the centre says that it was asked too often. Raises Refused."""
        while True:
            try:
                with self.open(method, path, body) as answer:
                    said = answer.read()
                return json.loads(said) if said else None
            except urllib.error.HTTPError as error:
                if error.code != 429:
                    raise Refused(json.load(error)) from None
                time.sleep(int(error.headers["Retry-After"]))

    def open(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Any:
        # What changes something in the name of whoever is signed in has to say that it comes from the
        # centre's own address: a page from elsewhere cannot.
        how = {"Origin": self._address, **(headers or {})}
        if self._token is not None:
            how["Authorization"] = f"Bearer {self._token}"
        data = None
        if body is not None:
            how["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        asked = urllib.request.Request(f"{self._address}/api/v1{path}", data, how, method=method)
        return self._opener.open(asked, timeout=60)

    def pages(self, question: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """A look-up, newest entries first. The question is on record before the first page is given."""
        answer = self.send("POST", "/look-ups", {**question, "limit": PAGE})
        yield answer
        while answer["next_cursor"] is not None:
            number, cursor = answer["look_up"], answer["next_cursor"]
            answer = self.send("GET", f"/look-ups/{number}/pages?cursor={cursor}&limit={PAGE}")
            yield answer

    def feed(self, after: int | None = None) -> Iterator[dict[str, Any]]:
        """Entries as they arrive, without end, each once: a broken line is taken up where it broke, also
        before the first entry. `after`: the number of the last one that was seen; None: from now on."""
        while True:
            headers = {} if after is None else {"Last-Event-ID": str(after)}
            try:
                with self.open("GET", "/live", headers=headers) as stream:
                    for number, entry in _events(stream):
                        after = number
                        if entry is not None:
                            yield entry
            except urllib.error.HTTPError as error:
                if error.code not in COMES_BACK:
                    raise Refused(json.load(error)) from None
                print(f"the centre answers {error.code}; asking again in a second", file=sys.stderr)
            except OSError:
                print("the line broke; going on in a second", file=sys.stderr)
            time.sleep(1)


def _events(stream: Any) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Of a stream of server-sent events each number with its entry; a sign of life, and an `again`, have a
    number and no entry."""
    number, name, data = None, "", ""
    for line in stream:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "id":
            number = int(value)
        elif field == "event":
            name = value
        elif field == "data":
            data += value
        elif not field and not value and number is not None:
            yield number, json.loads(data) if name == "entry" else None
            number, name, data = None, "", ""


def look_up(address: str) -> None:
    centre = Centre(address)
    centre.sign_in(input("login: "), getpass.getpass("password: "), input("code: "))
    [community, *_] = centre.send("GET", "/me")["communities"]
    until = datetime.now(UTC)
    question = {
        "question": "door",
        "community": community,
        "purpose": "missing_person",
        "basis": "peoples_police_law",
        "case_number": input("case: "),
        "site": input("site: "),
        "gateway": input("gateway: "),
        "door": input("door: "),
        "from": (until - timedelta(days=1)).isoformat(),
        "until": until.isoformat(),
    }
    for page in centre.pages(question):
        for entry in page["entries"]:
            print(entry["at"], entry["door"], entry["kind"], entry["alias"] or "")
        print(f"look-up {page['look_up']}: {'complete' if page['complete'] else 'NOT complete'}")


def main(words: list[str]) -> int:
    try:
        match words:
            case ["look-up", address]:
                look_up(address)
            case ["feed", address]:
                for entry in Centre(address, os.environ["LIUHEN_TOKEN"]).feed():
                    print(
                        entry["id"], entry["at"], entry["gateway"], entry["door"], entry["kind"], flush=True
                    )
            case _:
                print(__doc__)
                return 2
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
