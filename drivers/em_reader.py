"""Drivers of 125 kHz readers of EM4100 tags: RDM6300 repeats while a tag lies there, ID-12 sends it once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from drivers.base import CredentialKind, Tokenise
from drivers.em_codec import EmFrame, EmFramer
from drivers.listening import Decoder, Device, Heard, ListeningReader, ListeningSettings, Refused, Shown

IDLE_S = 0.3  # within a frame: network adapters pause for 0.1 s

_NO_TAG = "0" * 10


class Rdm6300Settings(ListeningSettings):
    """An RDM6300 or RDM630."""

    removal_s: Annotated[float, Field(ge=0.1, le=30)] = 0.5
    """A frame comes at least every 0.1 s; two or three may be lost before the tag is taken for gone."""


class Id12Settings(ListeningSettings):
    """An ID-12, ID-20 or ID-20LA in its ASCII mode."""


class EmDecoder(Decoder[EmFrame]):
    """`once`: a damaged frame will not come again, so that the person must."""

    def __init__(self, *, once: bool) -> None:
        super().__init__(EmFramer(), IDLE_S)
        self._once = once

    def _meaning(self, frame: EmFrame) -> Heard | None:
        if frame.tag is None:
            return Refused("the tag's number was damaged: present it again") if self._once else None
        if frame.tag == _NO_TAG:
            return Refused("a number of zeros only, which is no credential")
        return Shown(CredentialKind.EM_TAG, frame.tag)


def rdm6300_reader(name: str, settings: Rdm6300Settings, tokenise: Tokenise) -> ListeningReader:
    device = Device(EmDecoder(once=False), _not_ours("an RDM6300"), repeats=True)
    return ListeningReader(name, settings, tokenise, device)


def id12_reader(name: str, settings: Id12Settings, tokenise: Tokenise) -> ListeningReader:
    return ListeningReader(name, settings, tokenise, Device(EmDecoder(once=True), _not_ours("an ID-12")))


def _not_ours(device: str) -> str:
    return f"bytes arrive that are no frames of {device}: check its kind, output mode, speed and ground wire"
