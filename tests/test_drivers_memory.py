"""What may not be kept of a card is nowhere in the process that read it, not even in freed memory."""

import subprocess
import sys
from pathlib import Path

from drivers_support import Peer, ScriptedModule, invented_block, read_reply

MASK = 0x5A  # the patterns are handed over and compared masked, so that the search does not find itself
FIELDS = {
    "name": "张金丝雀",
    "address": "金丝雀路柒号院",
    "issuer": "雀市公安局",
    "photo": "绝密照片绝密照片",
}
CARDS = 3

READ_AND_SEARCH = """
import sys, threading
from drivers.base import CardRead, CardRemoved
from drivers.sam_reader import SamReader
from drivers.sam_reader import SamVSettings

port, cards, mask, *patterns = sys.argv[1:]
wanted = [bytes.fromhex(pattern) for pattern in patterns]
table = bytes(byte ^ int(mask) for byte in range(256))
events, done = [], threading.Event()

def emit(event):
    events.append(type(event))
    if events.count(CardRemoved) == int(cards):
        done.set()

class NoKey:  # of a site without a sealing key
    wanted = False

    def seal(self, document, name, number):
        raise AssertionError("asked to seal")

settings = SamVSettings(port=port, poll_s=0.02, presence_s=0.05)
reader = SamReader("r", settings, lambda kind, number: "token", NoKey())
thread = threading.Thread(target=reader.run, args=(emit,))
thread.start()
assert done.wait(60), events
assert events.count(CardRead) == int(cards), events
found = [0] * len(wanted)
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    for line in maps.readlines():
        span, rights, *rest = line.split()
        if "w" not in rights:
            continue
        start, end = (int(part, 16) for part in span.split("-"))
        memory.seek(start)
        masked = bytearray(memory.read(end - start)).translate(table)
        found = [count + masked.count(pattern) for count, pattern in zip(found, wanted)]
reader.stop()
thread.join()
print(*found)
"""


def masked(text: str) -> str:
    return bytes(byte ^ MASK for byte in text.encode("utf-16-le")).hex()


def test_name_address_issuer_and_photo_leave_no_trace_in_memory(tmp_path: Path) -> None:
    module = ScriptedModule()
    block = invented_block(name=FIELDS["name"], address=FIELDS["address"])
    photo = (FIELDS["photo"] * 100).encode("utf-16-le")[:1024]
    card = read_reply(bytes(block), photo)
    present = {"request_read": module.lift}  # one look later it is lifted

    def answer(data: bytes) -> bytes:
        if module.state == "empty" and module.asked.count("request_find") % 5 == 4:
            module.lay(card)
        reply = module(data)
        if module.asked[-1] in present:
            present[module.asked[-1]]()
        return reply

    with Peer(tmp_path / "port", answer) as peer:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                READ_AND_SEARCH,
                str(peer.path),
                str(CARDS),
                str(MASK),
                *map(masked, FIELDS.values()),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert dict(zip(FIELDS, map(int, done.stdout.split()), strict=True)) == dict.fromkeys(FIELDS, 0)
