"""What a campaign of chaos takes for excused, for wrong, for recovered, and for no proof. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from bench.chaos_faults import Hit
from bench.chaos_plan import CABLES, DELIVERY, DISK_TROUBLE, ENDS_GATEWAY, What
from bench.oracle import Disorder, Entry, Finding, Span, Swipe
from bench.plan import Building
from messages.model import Kind, Reason

_S = 1_000_000_000
_US = 1_000
_RESYNC_NS = 2 * _S
"""So long after a cable is right again the first frame may still be spoiled."""

_IN_FLIGHT_NS = _S
"""What was committed just before the calls began to fail has its door opened within this."""

_DECIDED_NS = 5 * _S // 2
"""A card that was read so long before its window ends has been answered in it."""

Opened = Mapping[str, Sequence[int]]
"""When each door's relay was driven, in order."""

Events = Sequence[Mapping[str, object]]


def opened_in(events: Events) -> dict[str, list[int]]:
    """From the simulator's events."""
    opened: dict[str, list[int]] = defaultdict(list)
    for event in events:
        if event["event"] == "relay_on":
            opened[str(event.get("door"))].append(_t_ns(event))
    return opened


def kills_of(hits: Sequence[Hit]) -> dict[str, list[int]]:
    """By building: when its gateway was brought to an end."""
    kills: dict[str, list[int]] = defaultdict(list)
    for hit in hits:
        if hit.what in ENDS_GATEWAY:
            kills[hit.fault.building] += [hit.begun_ns, hit.over_ns]
    return kills


def disorders(
    hits: Sequence[Hit], opened: Opened, buildings: Sequence[Building], strangers: frozenset[str]
) -> dict[str, Disorder]:
    """What excuses a missing record at each door, and when; nothing else does."""
    return {
        door.name: Disorder(
            unheard=[
                (hit.begun_ns, hit.over_ns + _RESYNC_NS)
                for hit in hits
                if hit.what in CABLES and hit.fault.door == door.name
            ],
            in_memory=list(_in_memory(hits, opened, building)),
            admits_unrecorded=door.when_not_recordable == "admit_listed",
            strangers=strangers,
        )
        for building in buildings
        for door in building.doors
    }


def _in_memory(hits: Sequence[Hit], opened: Opened, building: Building) -> Iterator[Span]:
    """From the begin of a trouble of the disk to the end of a process that had not yet made up for it. That
    it has is certain once a door has opened that opens for nobody unrecorded."""
    mine = [hit for hit in hits if hit.fault.building == building.name]
    ends = [hit for hit in mine if hit.what in ENDS_GATEWAY]
    strict = [at for door in _strict(building) for at in opened.get(door, ())]
    for cut in (hit for hit in ends if hit.what is What.POWER_CUT):
        yield cut.begun_ns, cut.over_ns
    for trouble in (hit for hit in mine if hit.what in DISK_TROUBLE):
        made_up_ns = min((at for at in strict if at > trouble.over_ns), default=None)
        for end in ends:
            late = made_up_ns is not None and end.begun_ns > made_up_ns
            if end.over_ns >= trouble.begun_ns and not late:
                yield trouble.begun_ns, end.over_ns


def _strict(building: Building) -> list[str]:
    return [door.name for door in building.doors if door.when_not_recordable == "deny"]


def policy_findings(
    hits: Sequence[Hit], events: Events, buildings: Sequence[Building], strangers: frozenset[str]
) -> list[Finding]:
    """While every write or sync failed: who was let in and must not have been, and the other way about."""
    findings: list[Finding] = []
    cables = [hit for hit in hits if hit.what in CABLES]
    for building in buildings:
        for first_ns, last_ns in unrecordable(hits, building.name):
            for door in building.doors:
                upset = any(
                    cable.fault.door == door.name
                    and cable.begun_ns <= last_ns
                    and first_ns <= cable.over_ns + _RESYNC_NS
                    for cable in cables
                )
                within = [e for e in events if e.get("door") == door.name and first_ns <= _t_ns(e) <= last_ns]
                admits = door.when_not_recordable == "admit_listed"
                findings += _of_a_window(door.name, within, last_ns, strangers, admits=admits, upset=upset)
    return findings


def unrecordable(hits: Sequence[Hit], building: str) -> list[Span]:
    """When nothing at all could be recorded there: the calls failed, and the process was still the same."""
    kills = [hit.begun_ns for hit in hits if hit.what in ENDS_GATEWAY and hit.fault.building == building]
    spans = [
        (first_ns + _IN_FLIGHT_NS, min([last_ns, *(at for at in kills if at >= first_ns)]))
        for hit in hits
        if hit.what is What.DISK_FAILS and hit.fault.building == building
        for first_ns, last_ns in hit.stood
    ]
    return [(first, last) for first, last in spans if first < last]


def _of_a_window(
    door: str, within: Events, last_ns: int, strangers: frozenset[str], *, admits: bool, upset: bool
) -> Iterator[Finding]:
    card, waiting, opened = "", 0, 0
    for event in within:
        match event["event"]:
            case "presented":
                card = str(event["card"])
            case "read_sent" if card and card not in strangers and _t_ns(event) < last_ns - _DECIDED_NS:
                waiting += 1
            case "relay_on":
                opened += 1
                if not admits:
                    yield Finding("policy", f"door {door}: opened while nothing could be recorded")
                elif card in strangers:
                    yield Finding("policy", f"door {door}: let a stranger in while nothing could be recorded")
    if admits and waiting and not opened and not upset:
        yield Finding("policy", f"door {door}: kept enrolled people out while nothing could be recorded")


def recorded_against_policy(
    kinds: Counter[tuple[str, str, str]], buildings: Sequence[Building]
) -> list[Finding]:
    """`kinds`: how many records the centre has of each door, kind and reason."""
    counts = {
        door: kinds[door, Kind.ACCESS_GRANTED, Reason.LISTED_UNRECORDED]
        for b in buildings
        for door in _strict(b)
    }
    return [
        Finding("policy", f"door {door}: let {count} in unrecorded")
        for door, count in counts.items()
        if count
    ]


def late(swipes: Sequence[Swipe], entries: Sequence[Entry], boot_ns: int) -> list[Finding]:
    """Openings before which less records had been made than doors opened. `boot_ns`: uptime less monotonic
    time of this machine."""
    made: dict[tuple[str, str], list[int]] = defaultdict(list)
    opened: dict[tuple[str, str], list[int]] = defaultdict(list)
    excused = {(swipe.door, swipe.token) for swipe in swipes if swipe.forgotten}
    for entry in entries:
        if entry.granted:
            made[entry.door, entry.token].append(entry.uptime_us * _US - boot_ns)
    for swipe in swipes:
        opened[swipe.door, swipe.token] += swipe.opened_ns
    return [
        Finding("late", f"door {key[0]}: opened {(at - record) / -_S:.3f} s before its record was made")
        for key, times in opened.items()
        if key not in excused
        for at, record in zip(sorted(times), sorted(made[key]), strict=False)
        if record > at
    ]


def recoveries(
    hits: Sequence[Hit], opened: Opened, commits: Sequence[Span], buildings: Sequence[Building]
) -> dict[What, list[float]]:
    """Seconds from the end of each fault until what it had hit worked again, whatever else was still wrong.
    `commits`: when so many records were seen at the centre."""
    of = {building.name: building for building in buildings}
    found: dict[What, list[float]] = defaultdict(list)
    for hit in hits:
        building = of[hit.fault.building]
        if hit.what in DELIVERY:
            again = _grown(commits, hit.over_ns)
        elif hit.what in CABLES:
            again = _first(opened, [hit.fault.door], hit.over_ns)
        elif hit.what in DISK_TROUBLE:
            again = _first(opened, _strict(building), hit.over_ns)
        elif hit.what in ENDS_GATEWAY:
            again = _first(opened, [door.name for door in building.doors], hit.over_ns)
        else:
            continue
        if again is not None:
            found[hit.what].append((again - hit.over_ns) / _S)
    return found


def _first(opened: Opened, doors: Sequence[str], after_ns: int) -> int | None:
    return min((at for door in doors for at in opened.get(door, ()) if at > after_ns), default=None)


def _grown(commits: Sequence[Span], after_ns: int) -> int | None:
    before = max((count for at, count in commits if at <= after_ns), default=0)
    return next((at for at, count in commits if at > after_ns and count > before), None)


def proves_nothing(
    hits: Sequence[Hit],
    possible: Sequence[What],
    kinds: Counter[tuple[str, str, str]],
    swipes: Sequence[Swipe],
) -> list[str]:
    """Why this run could not have found anything, if so."""
    real = {hit.what for hit in hits if hit.real}
    reasons = [f"never happened: {what}" for what in possible if what not in real]
    if What.CLOCK_STEPPED in real and not any(kind == Kind.CLOCK_STEPPED for _, kind, _ in kinds):
        reasons.append("no gateway noticed that its clock was stepped")
    unrecorded = any(reason == Reason.LISTED_UNRECORDED for _, _, reason in kinds)
    if What.DISK_FAILS in real and not unrecorded and not any(swipe.forgotten for swipe in swipes):
        reasons.append("nobody was let in unrecorded although the disk failed")
    if not any(swipe.openings for swipe in swipes):
        reasons.append("nobody was let in")
    return [f"{reason}: that proves nothing" for reason in reasons]


def _t_ns(event: Mapping[str, object]) -> int:
    at = event["t_ns"]
    assert isinstance(at, int)
    return at
