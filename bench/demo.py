"""The demo: a community with sixty days behind it, in which two buildings have simulated readers and people,
for a person to look at; or (`--check`) those two buildings alone, for itself.

`python -m bench.demo`; `./liuhen demo` sets up what it needs first.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bench.community.opening import estate_of_community, other_gateways
from bench.community.register import is_guessed_first
from bench.estate import Estate
from bench.judge import judge, settle
from bench.plan import Plan, mixed_buildings
from bench.processes import ProcessFailed
from bench.wiring import pcsc_is_here
from central.errors import CentralError

LOOK = Plan(
    buildings=mixed_buildings(with_pcsc=pcsc_is_here()),
    people=200,
    demo_accounts=True,
    keys=True,
    unknown_share=0.05,
    admits=("listed", "verified_id"),
    listed_only=("east-garage", "west-garage"),
)
_LOOK_RATE = 24
_CHECK_RATE = 90
"""Swipes a minute over all doors."""

_CHECK_S = 60.0
_AWAKE_S = 20.0
_SAY_EVERY_S = 15.0
_SETTLE_S = 30.0
_LOOK_PORT = 8470


def main() -> None:
    arguments = _arguments()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="liuhen-demo-"))
    plan = LOOK if arguments.check else replace(LOOK, centre_port=_this_or_any(arguments.port))
    plan = replace(plan, embedded_broker=arguments.embedded_broker)
    _say("Liuhen 留痕: every entry leaves a trace, and so does every look-up. 凡进必留痕，凡查亦留痕")
    try:
        made = Estate(folder, plan) if arguments.check else estate_of_community(folder, plan, _say)
        ending = _ending()  # while the community is made, Ctrl-C ends at once
        with made as estate:
            if arguments.check:
                passed = _check(estate, arguments.seconds, ending)
            else:
                with other_gateways(estate):
                    passed = _look(estate, ending, browser=not arguments.no_browser)
    except (ProcessFailed, CentralError) as error:
        _say(f"the demo could not run: {error}")
        passed = False
    except KeyboardInterrupt:
        _say("stopped before it had begun")
        passed = False
    _say(f"everything has ended; what it left is one folder: {folder}")
    sys.exit(0 if passed else 1)


def _look(estate: Estate, ending: threading.Event, *, browser: bool) -> bool:
    reader, residents_only = estate.plan.buildings[0].doors[0].name, estate.plan.listed_only[0]
    tampered = next(
        d.name for building in estate.plan.buildings for d in building.doors if d.reader == "osdp"
    )
    asking = next(d.name for building in estate.plan.buildings for d in building.doors if d.asks_pin)
    stranger = f"P{estate.plan.people + 1:04d}"
    first, typist = _comes_to(estate, reader), _comes_to(estate, asking, good_pin=True)
    _say(f"""
  the page      {estate.address}  (its sign-in page shows an account for each role 登录页列有各角色的演示账号)
  the broker    {estate.broker.name} on 127.0.0.1:{estate.broker.port}
  everything    {estate.folder}

  Lay a card on a reader by hand, in another terminal; it stands behind whoever is there, and says what the
  door decided 另开一个终端，手动刷卡；有人在前会自动排队，并显示门的判定:
      ./liuhen sim lay {reader} {first} --dir {estate.ports}
  And one that is refused, a stranger at a residents' door 再刷一张会被拒绝的:
      ./liuhen sim lay {residents_only} {stranger} --dir {estate.ports}
  At a door that asks for the PIN after the card 刷卡后还要输入密码的门:
      ./liuhen sim lay {asking} {typist} --pin --dir {estate.ports}
  A visitor with a pass: give one in the console (worker-1: Visitors, for a home of 东楼), take its text
  访客凭证：以 worker-1 登录，在“访客”为东楼某户开出二维码，取其文本:
      ./liuhen sim lay {residents_only} {stranger} --code TEXT --dir {estate.ports}
  Pull a reader's plug and put it back; tamper with another 拔掉、插回读卡器；拆动另一个:
      ./liuhen sim unplug {asking} --dir {estate.ports}
      ./liuhen sim replug {asking} --dir {estate.ports}
      ./liuhen sim input {tampered} 0 bad --dir {estate.ports}
      ./liuhen sim input {tampered} 0 good --dir {estate.ports}
  In the console, as operator-1: Operations, 东楼, Give a command; the lock lets go, both sides record it
  在控制台以 operator-1 登录：运维、东楼、下达指令，门锁随即释放，两端均有记录
  Who there is, and the readers:
      ./liuhen sim people --dir {estate.ports}
      ./liuhen sim status --dir {estate.ports}
  What the gateway of the building wrote, and whether its chain holds:
      ./liuhen gateway journal list   --settings {estate.gateway_settings("east")}
      ./liuhen gateway journal verify --settings {estate.gateway_settings("east")}

  Readers take some seconds to wake up; then people come. Ctrl-C ends everything.""")
    _let_people_come(estate, _LOOK_RATE)
    if browser and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        webbrowser.open(estate.address)
    ending.wait()
    _say("\nending ...")
    return True


def _comes_to(estate: Estate, door: str, *, good_pin: bool = False) -> str:
    """Somebody whose door it is, and who has a PIN that the register takes, if that is asked."""
    used_by = estate.plan.used_by[door]
    theirs = (each for each in estate.people() if each.ref in used_by)
    return next(each.ref for each in theirs if not good_pin or not is_guessed_first(each.card.pin))


def _check(estate: Estate, seconds: float, ending: threading.Event) -> bool:
    _say(f"people swipe for {seconds:.0f} s at two gateways with three doors each; then all is compared")
    _let_people_come(estate, _CHECK_RATE)
    for left_s in _countdown(seconds):
        _say(f"  {left_s:.0f} s left")
        if ending.wait(min(left_s, _SAY_EVERY_S)):
            _say("stopped before the end: nothing was compared")
            return False
    estate.send_people_home(_SETTLE_S)
    settled = settle(estate, _SETTLE_S)
    verdict = judge(estate)
    for line in verdict.lines():
        _say(line)
    if not settled:
        _say(f"the centre was not complete {_SETTLE_S:.0f} s after the last swipe")
    passed = settled and not verdict.findings and verdict.openings > 0
    _say("PASS" if passed else "FAIL")
    return passed


def _let_people_come(estate: Estate, per_minute: float) -> None:
    if not estate.wait_for_devices(_AWAKE_S):
        _say("some readers or locks do not work yet; the page shows which")
    with closing(estate.control) as control:
        control.set_community_rate(per_minute)


def _countdown(seconds: float) -> Iterator[float]:
    left_s = seconds
    while left_s > 0:
        yield left_s
        left_s -= _SAY_EVERY_S


def _this_or_any(port: int) -> int:
    """A second demo beside the first takes any free port for its page."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return 0
    return port


def _ending() -> threading.Event:
    ending = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: ending.set())
    return ending


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./liuhen demo", description="Runs the whole system with simulated readers and people. 演示"
    )
    parser.add_argument("--check", action="store_true", help="no person needed: swipe, compare, PASS or FAIL")
    parser.add_argument("--seconds", type=float, default=_CHECK_S, help="how long --check lets people swipe")
    parser.add_argument(
        "--port", type=int, default=_LOOK_PORT, help=f"of the page (default {_LOOK_PORT}; 0: any)"
    )
    parser.add_argument(
        "--folder", type=Path, help="where to keep everything (default: a new folder in /tmp)"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open the page")
    parser.add_argument("--embedded-broker", action="store_true", help="even where Mosquitto is installed")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
