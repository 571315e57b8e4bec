"""How long a module takes: as a real one, or not at all."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """Seconds of work per command (readers.md 1.8), without the time on the wire."""

    name: str
    boot_s: float
    find_empty_s: float
    find_card_s: float
    select_s: float
    read_s: float
    read_fingerprints_s: float
    card_item_s: float  # 30 03 and 30 05
    own_s: float  # what the module answers without the card
    paced: bool  # bytes leave at the line's rate


# The suggested defaults of readers.md 1.8. Fingerprints add half as much again: our guess.
REAL = Profile(
    name="real",
    boot_s=2.0,
    find_empty_s=0.03,
    find_card_s=0.06,
    select_s=0.06,
    read_s=0.6,
    read_fingerprints_s=0.9,
    card_item_s=0.08,
    own_s=0.01,
    paced=True,
)
INSTANT = Profile(
    name="instant",
    boot_s=0.0,
    find_empty_s=0.0,
    find_card_s=0.0,
    select_s=0.0,
    read_s=0.0,
    read_fingerprints_s=0.0,
    card_item_s=0.0,
    own_s=0.0,
    paced=False,
)
PROFILES = {profile.name: profile for profile in (REAL, INSTANT)}
