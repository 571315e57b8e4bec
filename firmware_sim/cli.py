"""liuhen-sim: serve a scene, lay cards by hand, make things go wrong. Arguments and words only.

Shows references of people, never their names or numbers, though both are invented.
"""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from firmware_sim.catalogue import kinds, settings_text
from firmware_sim.control import MAX_WAIT_S, Control
from firmware_sim.errors import RequestError, SimulatorError, SimulatorGone
from firmware_sim.fault_table import CATALOGUE
from firmware_sim.kinds import Role
from firmware_sim.record import open_cable, record
from firmware_sim.recording import FAMILIES, Tape
from firmware_sim.replay import Replayer, load_recording
from firmware_sim.scene import load_scene
from firmware_sim.simulator import PATIENCE_S, Simulator

DIRECTORY_VARIABLE = "LIUHEN_SIM_DIR"
_Add = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
_ENDS = frozenset({signal.SIGINT, signal.SIGTERM})
_CHECK_EVERY_S = 1.0  # how soon a simulator that failed by itself is noticed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused or the door stayed shut, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except SimulatorError as error:
        print(f"liuhen-sim: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has left
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liuhen-sim", description="Simulated readers, lock boards and doors, and people who use them."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], words: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=words, description=words)
        command.add_argument(
            "--dir",
            type=Path,
            default=os.environ.get(DIRECTORY_VARIABLE),
            help=f"the simulator's directory (or set {DIRECTORY_VARIABLE})",
        )
        command.set_defaults(command=run)
        return command

    serve = add("serve", _serve, "Build the devices of a scene and run them until Ctrl-C.")
    serve.add_argument("scene", type=Path, metavar="SCENE.toml")
    _add_hands(add)
    _add_faults(add)
    _add_questions(add)
    _add_recordings(commands)
    return parser


def _add_hands(add: _Add) -> None:
    lay = add("lay", _lay, "Lay a card on a reader, wait for the door, take the card away.")
    lay.add_argument("reader", metavar="READER")
    lay.add_argument("person", metavar="PERSON", help="a reference such as P0007, see `liuhen-sim people`")
    lay.add_argument(
        "--hold", type=float, default=0.0, metavar="SECONDS", help="leave the card at least this long"
    )
    lay.add_argument(
        "--patience", type=float, default=PATIENCE_S, metavar="SECONDS", help="wait this long for the door"
    )
    lay.add_argument("--pin", action="store_true", help="type the person's own PIN and # once it is read")
    lay.add_argument("--keys", metavar="KEYS", help="type these keys once it is read, such as 1234#")
    lay.add_argument(
        "--enter", type=float, metavar="SECONDS", help="go in, and leave the door open for so long"
    )
    lay.add_argument(
        "--code", metavar="TEXT", help="hold up this QR code, a visitor's pass, instead of their own"
    )
    press = add("press", _press, "Type keys on a reader's pad.")
    press.add_argument("reader", metavar="READER")
    press.add_argument("keys", metavar="KEYS", help="of 0 to 9, * and #")
    door = add("door", _door, "Open or shut a door's leaf.")
    door.add_argument("door", metavar="DOOR")
    door.add_argument("move", choices=("open", "shut"))
    door.add_argument("--force", action="store_true", help="although it is locked")
    rex = add("rex", _rex, "Press a door's exit button.")
    rex.add_argument("door", metavar="DOOR")
    rex.add_argument("--hold", type=float, metavar="SECONDS", help="keep it pressed this long")
    contact = add("input", _input, "Say what a contact of a device says from now on.")
    contact.add_argument("device", metavar="DEVICE")
    contact.add_argument("number", type=int, metavar="NUMBER", help="0: its tamper contact, -1: its power")
    contact.add_argument("state", metavar="STATE", help="open, closed, short, cut; or good, bad")
    remove = add("remove", _remove, "Take away the card that lies on a reader.")
    remove.add_argument("reader", metavar="READER")


def _add_faults(add: _Add) -> None:
    fault = add("fault", _fault, "Make something go wrong, for some uses or until cleared.")
    fault.add_argument("device", metavar="DEVICE")
    fault.add_argument("name", metavar="NAME", choices=sorted(CATALOGUE), help="see `liuhen-sim faults`")
    fault.add_argument("parameters", nargs="*", metavar="KEY=VALUE")
    fault.add_argument("--count", type=int, help="only for the next COUNT uses")
    clear = add("clear", _clear, "Switch faults off: all, those of a device, or one.")
    clear.add_argument("device", nargs="?", metavar="DEVICE")
    clear.add_argument("name", nargs="?", metavar="NAME")
    unplug = add("unplug", _unplug, "Pull a device's plug.")
    unplug.add_argument("device", metavar="DEVICE")
    replug = add("replug", _replug, "Plug a device in again.")
    replug.add_argument("device", metavar="DEVICE")
    replug.add_argument("--name", help="under this name instead of its own")


def _add_questions(add: _Add) -> None:
    add("settings", _settings, "Print what a gateway's settings must say of these devices.")
    add("kinds", _kinds, "List the kinds of device that a scene can have.")
    add("people", _people, "List the people whose cards can be laid.")
    add("faults", _faults, "List what can go wrong.")
    add("status", _status, "Show what every device is doing, as JSON.")
    events = add("events", _events, "Show what happened, as JSON lines.")
    events.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    events.add_argument("--after", type=int, default=0, metavar="NUMBER", help="only events numbered above")


def _add_recordings(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    words = "Record what a line says, identity overwritten, until Ctrl-C."
    tape = commands.add_parser("record", help=words, description=words)
    tape.add_argument("port", metavar="PORT", help="a serial port, or socket://HOST:PORT")
    tape.add_argument("file", type=Path, metavar="FILE", help="where the recording goes")
    tape.add_argument("--as", dest="family", required=True, choices=sorted(FAMILIES), help="kind of device")
    tape.add_argument("--rate", type=int, default=9600, help="until a program sets another (default 9600)")
    tape.add_argument("--link", type=Path, help="what the program opens instead (default FILE.port)")
    tape.add_argument("--listen", action="store_true", help="no program: nobody speaks to the device")
    tape.add_argument("--about", default="", help="a word on make and model, for who reads it later")
    tape.set_defaults(command=_record)
    words = "Play a recording to the program that opens a pseudo-terminal."
    play = commands.add_parser("replay", help=words, description=words)
    play.add_argument("file", type=Path, metavar="FILE")
    play.add_argument("--link", type=Path, help="what the program opens (default FILE.port)")
    play.add_argument("--speed", type=float, default=1.0, help="2 is twice as fast")
    play.set_defaults(command=_replay)


def _directory(options: argparse.Namespace) -> Path:
    if not options.dir:
        raise SimulatorGone(f"which simulator? name its directory with --dir, or set {DIRECTORY_VARIABLE}")
    return Path(options.dir)


def _control(options: argparse.Namespace) -> Control:
    return Control(_directory(options))


def _serve(options: argparse.Namespace) -> int:
    simulator = Simulator(load_scene(options.scene), _directory(options))
    _leave_the_end_to_us()
    with simulator:
        print(f"simulator serves {simulator.directory}; stop it with Ctrl-C", flush=True)
        for name, device in simulator.status()["devices"].items():
            print(f"  {device['kind']:<10} {name:<20} {device['address']}", flush=True)
        while simulator.failure is None and signal.sigtimedwait(_ENDS, _CHECK_EVERY_S) is None:
            pass
    if simulator.failure is not None:
        print(f"liuhen-sim: the simulator failed: {simulator.failure!r}", file=sys.stderr)
        return 1
    return 0


def _lay(options: argparse.Namespace) -> int:
    with _control(options) as control:
        swipe = control.swipe(
            options.reader,
            options.person,
            patience_s=options.patience,
            hold_s=options.hold,
            keys=options.keys,
            pin=options.pin,
            enter_s=options.enter,
            code=options.code,
        )
    let_in = swipe["opened"] if swipe["let_in"] is None else swipe["let_in"]
    print(_what_was_decided(swipe) + _what_the_door_did(swipe))
    return 0 if let_in else 1


def _what_was_decided(swipe: Mapping[str, Any]) -> str:
    if swipe["let_in"] is not None:
        return f"{'let in' if swipe['let_in'] else 'refused'} ({swipe['reason']}); "
    if swipe["journalled"] and swipe["read_sent_ns"] is not None:
        return "nothing was decided: within seconds the same card is the same swipe, or a PIN is waited for; "
    return ""


def _what_the_door_did(swipe: Mapping[str, Any]) -> str:
    if swipe["opened"]:
        return f"door opened after {(swipe['relay_on_ns'] - swipe['presented_ns']) / 1e9:.1f} s"
    if swipe["was_open"]:
        return "the door was open already, for somebody before, and its relay was not told again"
    if swipe["read_sent_ns"] is None:
        return "the door stayed shut: nobody read the card"
    return "the door stayed shut"


def _press(options: argparse.Namespace) -> int:
    with _control(options) as control:
        control.press(options.reader, options.keys)
    return 0


def _door(options: argparse.Namespace) -> int:
    with _control(options) as control:
        control.swing_door(options.door, is_open=options.move == "open", force=options.force)
    return 0


def _rex(options: argparse.Namespace) -> int:
    with _control(options) as control:
        control.press_rex(options.door, hold_s=options.hold)
    return 0


def _input(options: argparse.Namespace) -> int:
    with _control(options) as control:
        control.set_input(options.device, options.number, options.state)
    return 0


def _remove(options: argparse.Namespace) -> int:
    with _control(options) as control:
        control.remove(options.reader)
    return 0


def _fault(options: argparse.Namespace) -> int:
    parameters = _parameters(options.name, options.parameters)
    with _control(options) as control:
        control.fault(options.device, options.name, count=options.count, **parameters)
    return 0


def _parameters(fault: str, words: Sequence[str]) -> Mapping[str, int | float | str]:
    parameters: dict[str, int | float | str] = {}
    known = CATALOGUE[fault].parameters
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in known:
            raise RequestError(
                f"{word!r}: fault {fault} takes {', '.join(f'{name}=...' for name in known) or 'nothing'}"
            )
        try:
            parameters[key] = int(value, 0) if known[key].kind is int else known[key].kind(value)
        except ValueError:
            raise RequestError(f"{word!r}: expects {known[key].kind.__name__}") from None
    return parameters


def _clear(options: argparse.Namespace) -> int:
    with _control(options) as control:
        names = control.clear(options.device, options.name)
    print("cleared: " + (", ".join(names) or "nothing was on"))
    return 0


def _unplug(options: argparse.Namespace) -> int:
    with _control(options) as control:
        control.unplug(options.device)
    return 0


def _replug(options: argparse.Namespace) -> int:
    with _control(options) as control:
        print(control.replug(options.device, options.name))
    return 0


def _settings(options: argparse.Namespace) -> int:
    with _control(options) as control:
        told = control.settings()
    for name, value in told["environment"].items():
        print(f"# in the gateway's environment: {name}={value}\n")
    for block in told["settings"]:
        print(settings_text(block["table"], block["settings"]))
    return 0


def _kinds(_options: argparse.Namespace) -> int:
    for role in Role:
        for name in kinds(role):
            print(f"{role:<10}  {name}")
    return 0


def _people(options: argparse.Namespace) -> int:
    with _control(options) as control:
        for person in control.people():
            print(f"{person['ref']}  {person['layout']}{'' if person['enrolled'] else '  not enrolled'}")
    return 0


def _faults(_options: argparse.Namespace) -> int:
    for name, fault in CATALOGUE.items():
        print(f"{name:<18} {fault.meaning}")
        print(f"{'':<18}   for {', '.join(sorted(fault.devices))}")
        for key, parameter in fault.parameters.items():
            default = "" if parameter.default is None else f" (default {parameter.default})"
            print(f"{'':<18}   {key}={parameter.kind.__name__}: {parameter.meaning}{default}")
    return 0


def _status(options: argparse.Namespace) -> int:
    with _control(options) as control:
        print(json.dumps(control.status(), indent=2))
    return 0


def _events(options: argparse.Namespace) -> int:
    after = options.after
    with _control(options) as control:
        while True:
            events = control.events(after, wait_s=MAX_WAIT_S if options.follow else 0.0)
            for event in events:
                print(json.dumps(event), flush=True)
                after = event["n"]
            if not events and not options.follow:
                return 0


def _leave_the_end_to_us() -> None:
    """Before any thread starts: none of them is woken by the signals that end a run."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)


def _record(options: argparse.Namespace) -> int:
    tape = Tape(options.family)
    cable = open_cable(options.port, options.rate)
    link = None if options.listen else options.link or options.file.with_name(f"{options.file.name}.port")
    stop = threading.Event()

    def ready() -> None:
        way = "listening" if link is None else f"let the program open {link}"
        print(f"recording {options.port} to {options.file}: {way}; end with Ctrl-C", flush=True)

    before = {end: signal.signal(end, lambda *_: stop.set()) for end in _ENDS}
    try:
        recording = record(cable, tape, options.rate, link=link, stop=stop, ready=ready)
    finally:
        cable.close()
        for end, handler in before.items():
            signal.signal(end, handler)
    about = "; ".join(filter(None, (options.about, recording.about)))
    options.file.write_text(replace(recording, about=about).to_text(), encoding="utf-8")
    size = sum(len(chunk.data) for chunk in recording.chunks)
    print(f"{size} bytes in {len(recording.chunks)} portions; {recording.about or 'ended by you'}")
    return 0


def _replay(options: argparse.Namespace) -> int:
    recording = load_recording(options.file)
    link = options.link or options.file.with_name(f"{options.file.name}.port")
    stop = threading.Event()
    before = {end: signal.signal(end, lambda *_: stop.set()) for end in _ENDS}
    try:
        with Replayer(recording, link, speed=options.speed) as replayer:
            print(f"{recording.family} at {recording.rate}: open {replayer.address}", flush=True)
            while not stop.is_set() and not replayer.wait_opened(stop, _CHECK_EVERY_S):
                continue
            replayer.start()
            while not stop.wait(_CHECK_EVERY_S) and not replayer.finished:
                continue
            print("the recording is over" if replayer.finished else "ended by you")
    finally:
        for end, handler in before.items():
            signal.signal(end, handler)
    return 0


if __name__ == "__main__":
    sys.exit(main())
