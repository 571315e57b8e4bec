"""What the parsers' fuzz tests share: how good bytes go bad."""

import os
import random
from collections.abc import Sequence

PARTS = 4  # each with its own seed, so that the workers share them
MOST_NOISE = 200  # bytes of noise alone


def inputs(usual: int) -> int:
    """How many inputs a parser gets: `usual` in the suite; `LIUHEN_FUZZ=1000000` gives each a million."""
    return int(os.environ.get("LIUHEN_FUZZ", str(usual)))


def mutated(chance: random.Random, good: bytes, pieces: Sequence[bytes]) -> bytes:
    """`good` with bytes changed, lost, added, cut off, and `pieces` put in; now and then noise alone."""
    if chance.random() < 0.05:
        return chance.randbytes(chance.randrange(MOST_NOISE))
    data = bytearray(good)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0:
                data[at : at + 1] = bytes((chance.getrandbits(8),))
            case 1:
                del data[at : at + 1]
            case 2:
                data[at:at] = chance.randbytes(chance.randrange(1, 20))
            case 3:
                del data[at:]
            case _:
                data[at:at] = chance.choice(pieces)
    return bytes(data)
