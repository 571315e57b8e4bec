"""Nothing that the probe may send can release a lock, at whatever speed a lock board listens.

Each byte string of the plan is received bit by bit at every speed that a board can have beside each speed of
the probe, from every offset, by receivers that differ in tolerance and in what they do with damaged bytes. In
what they hear there must be no command at all. To an LC board not in any order of the strings either: such a
board waits for the rest of a command without limit. A Modbus board and an OSDP reader forget what began
before a pause (readers.md 6.2, 7.2), and the probe makes one after each string.
"""

import binascii
import os
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice, product

import pytest
from drivers_support import frame
from uart_support import Burst, Receiver, all_starts, heard_from, heard_whole, levels_of

from drivers.probe_plan import ASK_RATES, CARD_RATES, PAUSE_S, everything, queries

BOARD_RATES = (1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200, 230_400)
# LIUHEN_UART=all: also what an adapter does whose speed we do not set, and clocks of 3 % between them. More
# apart, two devices do not understand each other even at the same speed.
THOROUGH = os.environ.get("LIUHEN_UART") == "all"
PROBE_RATES = sorted({*ASK_RATES, *CARD_RATES} if THOROUGH else ASK_RATES)
TOLERANCES = (1.0, 0.97, 1.03, 0.985, 1.015) if THOROUGH else (1.0,)
LC_RATIOS = {9_600 / sent for sent in PROBE_RATES}  # the one speed that LC boards have
RATIOS = sorted({board / sent for sent, board in product(PROBE_RATES, BOARD_RATES)})
HABITS = ((True, False), (False, True))  # hands on damaged bytes at once; drops them and waits for silence
RECEIVERS = [
    (ratio, *habit) for ratio in RATIOS for habit in HABITS[: 2 if THOROUGH or ratio in LC_RATIOS else 1]
]

LC_START = 0xA0
LC_RELAYS = frozenset({*range(17), 0xFF})
LC_OPERATIONS = frozenset(range(1, 6))  # 0 is off; 2 to 5 mean different things on different boards
LC_COMMAND_SIZE = 4
MODBUS_READS = frozenset({0x01, 0x02, 0x03, 0x04})
MODBUS_LONG = frozenset({0x0F, 0x10, 0x15, 0x16, 0x17})
MODBUS_SIZE, MODBUS_HEAD = 8, 7
OSDP_START, OSDP_QUESTIONS, OSDP_SMALLEST = 0x53, frozenset({0x60, 0x61, 0x62}), 7


def _crc_step(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


CRC_TABLE = [_crc_step(value) for value in range(256)]


def modbus_crc(data: bytes) -> int:
    """Written a second time from section 7.2: the driver's own must not vouch for itself."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def is_lc_command(heard: bytes) -> bool:
    return (
        heard[0] == LC_START
        and heard[1] in LC_RELAYS
        and heard[2] in LC_OPERATIONS
        and sum(heard[:3]) & 0xFF == heard[3]
    )


def is_modbus_command(heard: bytes) -> bool:
    """A frame with a right CRC at the beginning that does more than read."""
    if len(heard) < MODBUS_SIZE or heard[1] in MODBUS_READS or heard[1] & 0x80:
        return False
    sizes = {MODBUS_SIZE, modbus_size(heard)}
    return any(modbus_crc(heard[:size]) == 0 for size in sizes if size <= len(heard))


def modbus_size(heard: bytes) -> int:
    """Of the frame that begins so; only writes of several values say how long they are."""
    return MODBUS_HEAD + heard[6] + 2 if heard[1] in MODBUS_LONG else MODBUS_SIZE


def is_osdp_command(heard: bytes) -> bool:
    """A packet with a right check at the beginning that does more than ask."""
    if len(heard) < OSDP_SMALLEST or heard[0] != OSDP_START or heard[1] & 0x80:
        return False
    size = int.from_bytes(heard[2:4], "little")
    if not OSDP_SMALLEST <= size <= len(heard):
        return False
    packet = heard[:size]
    by_crc = binascii.crc_hqx(packet[:-2], 0x1D0F) == int.from_bytes(packet[-2:], "little")
    by_sum = sum(packet) & 0xFF == 0
    at = 5 + (packet[5] if packet[4] & 0x08 else 0)
    return (by_crc or by_sum) and (at >= size or packet[at] not in OSDP_QUESTIONS)


def commands_within(burst: Burst) -> Iterator[str]:
    """Commands to boards that take no pause inside one; the first four bytes tell an LC board enough."""
    for start in all_starts(burst):
        if burst.place(start)[0] is None:
            continue
        near = bytes(islice(heard_from(burst, start), MODBUS_SIZE))
        if len(near) >= LC_COMMAND_SIZE and is_lc_command(near):
            yield f"LC: {near.hex(' ')}"
        if len(near) == MODBUS_SIZE and near[1] not in MODBUS_READS:
            frame_and_more = bytes(islice(heard_from(burst, start), max(MODBUS_SIZE, modbus_size(near))))
            if is_modbus_command(frame_and_more):
                yield f"Modbus: {frame_and_more.hex(' ')}"
        if near[0] == OSDP_START and is_osdp_command(packet := bytes(heard_from(burst, start))):
            yield f"OSDP: {packet.hex(' ')}"


def commands_across(bursts: Iterable[Burst]) -> Iterator[str]:
    """LC commands that begin at the end of one burst and end in any others, in any order."""
    bursts = list(bursts)
    begun = {tail for burst in bursts for tail in _tails(burst)}
    heads = _heads({heard_whole(burst) for burst in bursts}) if begun else set()  # there can be millions
    for tail, head in product(begun, heads):
        command = (tail + head)[:LC_COMMAND_SIZE]
        if is_lc_command(command):
            yield f"LC: {command.hex(' ')}"


def _tails(burst: Burst) -> Iterator[bytes]:
    for start in all_starts(burst):
        tail = bytes(islice(heard_from(burst, start), LC_COMMAND_SIZE))
        if len(tail) < LC_COMMAND_SIZE and tail[:1] == bytes((LC_START,)):
            yield tail


def _heads(whole: set[bytes]) -> set[bytes]:
    """The first three bytes of all orders of the strings."""
    size = LC_COMMAND_SIZE - 1
    heads, growing = set[bytes](), {b""}
    while growing:
        grown = {(start + each)[:size] for start in growing for each in whole if each}
        heads |= {head for head in grown if len(head) == size}
        growing = {head for head in grown if len(head) < size}
    return heads


@cache
def sent() -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(query.data for query in everything()))


@pytest.mark.parametrize(("ratio", "keeps_damaged", "waits_for_edge"), RECEIVERS)
def test_no_lock_board_hears_a_command_in_anything_that_is_sent(
    ratio: float, keeps_damaged: bool, waits_for_edge: bool
) -> None:
    for tolerance in TOLERANCES:
        receiver = Receiver(ratio * tolerance, keeps_damaged, waits_for_edge)
        bursts = [Burst(levels_of(data), receiver) for data in sent()]
        assert [found for burst in bursts for found in commands_within(burst)] == []
        if ratio in LC_RATIOS:
            assert list(commands_across(bursts)) == []


@pytest.mark.parametrize("ratio", sorted(LC_RATIOS))
def test_even_an_lc_board_that_ignores_the_sum_hears_no_command(ratio: float) -> None:
    """One that listened from the beginning, as a board does that was there before the probe."""
    receiver = Receiver(ratio, keeps_damaged=True, waits_for_edge=False)
    heard = {heard_whole(Burst(levels_of(data), receiver)) for data in sent()}
    endings = {each[at:] for each in heard for at in range(len(each)) if each[at] == LC_START}
    for command in {ending + head for ending in endings for head in _heads(heard)}:
        assert command[1] not in LC_RELAYS or command[2] not in LC_OPERATIONS, command.hex(" ")


def test_only_the_plan_is_sent_and_a_pause_ends_each_command_that_may_have_begun() -> None:
    assert {query.data for rate in PROBE_RATES for query in queries(rate)} <= set(sent())
    slowest_character_s = 11 / min(BOARD_RATES)
    assert max(3.5 * slowest_character_s, 0.020) < PAUSE_S


# --- and would it be found if it were there? ---------------------------------------------------------------

LC_ON = bytes.fromhex("A0 01 01 A2")
MODBUS_ON = bytes.fromhex("01 05 00 00 FF 00 8C 3A")
MODBUS_ALL_ON = bytes.fromhex("01 0F 00 00 00 08 01 FF BE D5")
OSDP_OUT = bytes.fromhex("53 01 0C 00 05 68 00 05 1E 00 52 BA")
COMMANDS = [LC_ON, MODBUS_ON, MODBUS_ALL_ON, OSDP_OUT]
SAME_SPEED = Receiver(1.0, keeps_damaged=True, waits_for_edge=False)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda data: data.hex())
@pytest.mark.parametrize("ratio", [1.0, 0.97, 1.03])
def test_a_documented_command_is_found_between_other_bytes(command: bytes, ratio: float) -> None:
    receiver = Receiver(ratio, keeps_damaged=True, waits_for_edge=False)
    data = frame("request_sam_number") + command + b"\xff"
    assert list(commands_within(Burst(levels_of(data), receiver)))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda data: data.hex())
@pytest.mark.parametrize("times", [2, 4, 12])
def test_a_command_that_stands_only_in_what_a_slower_board_hears_is_found(command: bytes, times: int) -> None:
    levels = [level for level in levels_of(command) for _ in range(times)]
    receiver = Receiver(1 / times, keeps_damaged=True, waits_for_edge=False)
    assert list(commands_within(Burst(levels, receiver)))


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_command_in_two_pieces_is_found_in_either_order_of_sending(cut: int) -> None:
    pieces = [LC_ON[cut:] + b"\x00", b"\x00" + LC_ON[:cut], b"\x55\x00\x00\x00"]
    assert list(commands_across([Burst(levels_of(piece), SAME_SPEED) for piece in pieces]))


def test_bytes_at_the_same_speed_are_heard_as_they_were_sent() -> None:
    assert all(heard_whole(Burst(levels_of(data), SAME_SPEED)) == data for data in sent())


def test_a_slower_receiver_hears_less_and_a_faster_one_more() -> None:
    for ratio, fewest, most in ((0.25, 1, 4), (4.0, 12, 60)):
        receiver = Receiver(ratio, keeps_damaged=True, waits_for_edge=False)
        burst = Burst(levels_of(frame("request_sam_number")), receiver)
        assert fewest <= len(heard_whole(burst)) <= most
