"""Doctor: the broker and the centre behind it: reachable, willing, allowed, and somebody there."""

from __future__ import annotations

import queue
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from gateway.broker import remedy
from gateway.doctor import Finding, Grade, Patient
from gateway.errors import SettingsError
from gateway.keys import load_centre_keys
from messages.acks import opened_ack
from messages.errors import MessageError
from messages.tls import CUT_SHORT, TlsRefused, told
from messages.topics import CENTRE_STATE, GatewayTopic, Leaf
from messages.wire import CentreState, decode

_QOS = 1
_RETAINED_S = 2.0
"""A retained message follows the subscription at once."""


def broker(patient: Patient) -> Iterator[Finding]:
    mqtt_settings = patient.settings.mqtt
    where = f"{mqtt_settings.host}:{mqtt_settings.port}"
    try:
        address = (mqtt_settings.host, mqtt_settings.port)
        socket.create_connection(address, timeout=patient.broker_limit_s).close()
    except socket.gaierror:
        yield Finding(
            "broker", Grade.BAD, f"{where}: that name leads nowhere", "mend [mqtt] host, or the DNS"
        )
        return
    except OSError as error:
        reason = error.strerror or "no answer in time"
        yield Finding("broker", Grade.BAD, f"{where}: nobody answers ({reason})", _START)
        return
    try:
        with _line(patient) as (news, acks):
            yield from _conversation(patient, news, where)
            yield from _acknowledgements(patient, acks)
    except TlsRefused as error:
        yield Finding("broker", Grade.BAD, f"{where}: no safe line: {error}", _FILES)


News = queue.SimpleQueue[tuple[str, object]]


def _conversation(patient: Patient, news: News, where: str) -> Iterator[Finding]:
    limit_s = time.monotonic() + patient.broker_limit_s
    code = _awaited(news, "connected", limit_s)
    if isinstance(code, str):
        yield Finding("broker", Grade.BAD, f"{where}: no safe line: {code}", _FILES)
        return
    if not isinstance(code, ReasonCode):
        yield Finding("broker", Grade.BAD, f"{where}: takes connections, but does not speak MQTT", _START)
        return
    if code.is_failure:
        yield Finding("broker", Grade.BAD, f"{where}: refuses: {code}", remedy(code.value))
        return
    refused = _awaited(news, "subscribed", limit_s)
    if not isinstance(refused, list):
        yield Finding("broker", Grade.BAD, f"{where}: does not answer a subscription", "see the broker's log")
        return
    if refused:
        what = f"{where}: lets us not hear the centre: {refused[0]}"
        yield Finding("broker", Grade.BAD, what, remedy(refused[0].value))
        return
    safely = ", mutual TLS" if patient.settings.mqtt.tls else ""
    yield Finding("broker", Grade.OK, f"{where}: MQTT {patient.settings.mqtt.protocol}{safely}")
    yield _centre(_awaited(news, "state", min(limit_s, time.monotonic() + _RETAINED_S)))


def _centre(state: object) -> Finding:
    if not isinstance(state, bytes):
        return Finding("centre", Grade.MIND, "has never been at this broker; records wait here", _CENTRE)
    try:
        online = decode(state, CentreState).online
    except MessageError:
        return Finding(
            "centre", Grade.BAD, "somebody else speaks in its name", "check the broker's access list"
        )
    if not online:
        return Finding("centre", Grade.MIND, "is away; records wait here", _CENTRE)
    return Finding("centre", Grade.OK, "is there")


def _acknowledgements(patient: Patient, kept: list[bytes]) -> Iterator[Finding]:
    """Of the one that the broker keeps; nothing where there is none, or the centre's keys are not here."""
    file, gateway = patient.settings.keys.centre_keys_file, patient.settings.gateway
    if file is None or not kept:
        return
    try:
        opened_ack(kept[0], load_centre_keys(file).signers(), gateway.site, gateway.name)
    except SettingsError:
        return  # told of with the keys
    except MessageError as error:
        what = f"the one that the broker keeps is not the centre's, and nothing is deleted for it: {error}"
        yield Finding("acknowledgements", Grade.MIND, what, _UNSIGNED)
    else:
        yield Finding("acknowledgements", Grade.OK, "signed by the centre")


@contextmanager
def _line(patient: Patient) -> Iterator[tuple[News, list[bytes]]]:
    """A client of its own name, without a will: the running gateway's connection and word stay. With what it
    hears, and the acknowledgements among that."""
    gateway, news, acks = patient.settings.gateway, News(), list[bytes]()
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"liuhen-{gateway.site}-{gateway.name}-doctor",
        protocol=(
            MQTTProtocolVersion.MQTTv5
            if patient.settings.mqtt.protocol == "5"
            else MQTTProtocolVersion.MQTTv311
        ),
        clean_session=None if patient.settings.mqtt.protocol == "5" else True,
        reconnect_on_failure=False,
    )
    files = patient.settings.mqtt.tls
    if files:
        client.tls_set_context(files.context())
    ack = str(GatewayTopic(gateway.site, gateway.name, Leaf.ACK))

    def connected(_c: object, _u: object, _f: object, code: ReasonCode, _p: object) -> None:
        news.put(("connected", code))
        if not code.is_failure:
            client.subscribe([(ack, _QOS), (CENTRE_STATE, _QOS)])

    def unsafe(*_: object) -> None:
        if why := told(sys.exception()):
            news.put(("connected", why))

    def gone(_c: object, _u: object, _f: object, code: ReasonCode, _p: object) -> None:
        if code.is_failure:  # in the place of a greeting; who was greeted no longer waits for one
            news.put(("connected", CUT_SHORT if files else None))

    def subscribed(_c: object, _u: object, _m: int, codes: list[ReasonCode], _p: object) -> None:
        news.put(("subscribed", [code for code in codes if code.is_failure]))

    def message(_c: object, _u: object, heard: mqtt.MQTTMessage) -> None:
        if heard.topic == CENTRE_STATE:
            news.put(("state", bytes(heard.payload)))
        elif heard.retain:
            acks.append(bytes(heard.payload))

    client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, message
    client.on_connect_fail, client.on_disconnect = unsafe, gone
    client.connect_async(patient.settings.mqtt.host, patient.settings.mqtt.port)
    client.loop_start()
    try:
        yield news, acks
    finally:
        client.disconnect()
        client.loop_stop()


def _awaited(news: News, what: str, until_s: float) -> object:
    """None when it does not come in time."""
    while (left_s := until_s - time.monotonic()) > 0:
        try:
            kind, value = news.get(timeout=left_s)
        except queue.Empty:
            return None
        if kind == what:
            return value
    return None


_START = "start the broker, or mend [mqtt] host and port; doors open without it, and records wait here"
_FILES = "see the files in [mqtt] and the broker's; doors open without it, and records wait here"
_UNSIGNED = (
    "start the gateway if it does not run; if that does not mend it: has the centre keys, and is"
    " centre_keys_file what `liuhen-central keys show` prints? If so, somebody forges"
)
_CENTRE = "start the centre, and let it read liuhen/v1/# at this broker"
