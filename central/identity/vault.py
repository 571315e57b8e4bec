"""The vault: the only place where keys of identity are used. Others hand it values and get values back.

Made once from the key ring (`ring`), safe to use from several threads; what another process made, rotated or
destroyed counts at once. No text of an error says anything of what was sealed or asked for.
"""

from __future__ import annotations

import hmac
import re
import threading
import unicodedata
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from central.errors import BadQuestion, IdentityDamaged, IdentityGone, NotThere, SettingsError
from central.identity.keyfiles import (
    Keys,
    OpenKeys,
    PeriodPair,
    decode,
    encode,
    keys_of,
    new_keys,
    new_pair,
    pair_of,
    text_of,
)
from central.identity.periods import is_period, month_of, month_of_day
from central.identity.ring import KeyRing
from central.identity.suites import Key, Suite, new_key, open_sealed, seal
from messages.envelope import EnvelopeError, VisitorIdentity, open_identity
from messages.model import NAME
from messages.site_settings import SealingKey

INDEX_BYTES: Final = 16
"""128 bits (trust.md R-90)."""

TOKEN_BYTES: Final = 16
SITE_KEY_BYTES: Final = 32
_DEFAULT_ZONE: Final = "Asia/Shanghai"
_is_name = re.compile(NAME).fullmatch
_is_kind = re.compile(r"[a-z_]{1,24}").fullmatch


_T = TypeVar("_T")


class Vault:
    """Keys of residents' register, of visitors' periods, and of sites' tokens."""

    def __init__(self, ring: KeyRing, suite: Suite, zone: ZoneInfo | None = None) -> None:
        """`suite`: of keys that are made from now on; those there are keep theirs. `zone`: of the
        communities, for the beginning of a month and a day; Asia/Shanghai without one."""
        self.ring = ring
        self.suite = suite
        self.zone = zone or ZoneInfo(_DEFAULT_ZONE)
        self._read: dict[str, tuple[bytes, object]] = {}
        self._lock = threading.Lock()
        self._seen: dict[str, bytes] | None = None  # by `at_one_look` alone

    def at_one_look(self) -> Vault:
        """The same vault for one short piece of work, such as a transaction of many rows, and one thread: it
        looks at the ring once for each key, and what another process does to a key meanwhile counts after."""
        made = Vault(self.ring, self.suite, self.zone)
        made._read, made._lock, made._seen = self._read, self._lock, {}
        return made

    @classmethod
    def of(
        cls, folder: Path, suite: Suite, zone: ZoneInfo | None = None, master: Path | None = None
    ) -> Vault:
        """Raises SettingsError where no ring is there or it cannot be used."""
        return cls(KeyRing(folder, master), suite, zone)

    # --- residents: the register

    def make_register(self, community: int) -> None:
        """The keys of a community's register, where there are none yet. Nobody but `registers` calls this: it
        knows whether there were any, and notes that there are now."""
        self.ring.get_or_make(register_name(community), new_keys(self.suite))

    def seal_register(self, community: int, row: str, plain: bytes) -> bytes:
        """`plain` for one row of a community's register, such as `person:17`; opens in no other row.

        Raises SettingsError, as all that needs the register's keys, where they are not in the key ring: not
        made yet (`registers.begin_register`), or lost.
        """
        return seal(self._register(community).current, plain, _row(community, row))

    def open_register(self, community: int, row: str, sealed: bytes) -> bytes:
        """Raises IdentityGone (its key is not here any more), IdentityDamaged."""
        return _opened(self._register(community).sealing, sealed, _row(community, row))

    def register_index(self, community: int, kind: str, value: str) -> bytes:
        """The blind index of a value, for exact search: 16 bytes; equal values of a kind have equal ones.

        Kinds: `id_number`, `phone`, `card` and others that need no normalising. Raises BadQuestion for a kind
        that is no such word.
        """
        return _index(self._register(community).index, kind, value)

    def register_key_id(self, community: int) -> bytes:
        """Of the key in use: what was sealed with another one is to be sealed again (`rotation`)."""
        return self._register(community).current.id

    def register_key_ids(self, community: int) -> frozenset[bytes]:
        """Of all keys of the register, former ones too; none where there are none."""
        return frozenset(self._register(community).sealing) if self.has_register(community) else frozenset()

    def rotate_register(self, community: int) -> bytes:
        """A new key is in use when this returns its id; the former ones still open what they sealed."""
        name = register_name(community)
        with self._lock:
            found = self._keys(community)
            made = new_key(self.suite)
            self._replace(name, encode(Keys((text_of(made), *found.sealing), found.index)))
        return made.id

    def drop_former_registers(self, community: int) -> int:
        """Once nothing is sealed with them any more: how many former keys were destroyed."""
        name = register_name(community)
        with self._lock:
            found = self._keys(community)
            if len(found.sealing) > 1:
                self._replace(name, encode(Keys(found.sealing[:1], found.index)))
        return len(found.sealing) - 1

    # --- visitors: periods

    def sealing_key(self, community: int, now_us: int) -> SealingKey:
        """What the gateways of a community seal visitors' identity for now; made at its month's first use."""
        return self._pair(community, month_of(now_us, self.zone), make=True).public

    def visitor_keys(self) -> VisitorKeys:
        """For what comes together: each key is looked up once."""
        return VisitorKeys(self._pair, self._period)

    def open_envelope(self, community: int, period: str, sealed: bytes, aad: bytes) -> VisitorIdentity:
        """As `VisitorKeys.open`, of one alone."""
        return self.visitor_keys().open(community, period, sealed, aad)

    def seal_period(self, community: int, period: str, row: str, plain: bytes) -> bytes:
        """`plain` under the period's own key, which is made at its first use. Raises IdentityGone where it
        was destroyed already."""
        return seal(self._period(community, period, make=True).current, plain, _row(community, row))

    def open_period(self, community: int, period: str, row: str, sealed: bytes) -> bytes:
        """Raises IdentityGone, IdentityDamaged."""
        return _opened(self._period(community, period, make=False).sealing, sealed, _row(community, row))

    def period_index(self, community: int, period: str, number: str) -> bytes:
        """The blind index of a visitor's ID number: 16 bytes; of a day such as `2026-11-05`, or of a month.

        Raises IdentityGone where the period's key was destroyed or nobody came in it.
        """
        return _index(self._period(community, period, make=False).index, "id_number", number)

    def destroy_period(self, community: int, period: str) -> tuple[str, ...]:
        """A day's keys, or a month's: the pair of its gateways and what there is of its days. The names of
        what was destroyed; durable when this returns, and nothing can be made in their place."""
        _checked(period)
        uses = ("pair", "keys") if month_of_day(period) == period else ("keys",)
        names = [f"{_folder(community)}/{period}.{use}" for use in uses]
        if month_of_day(period) == period:
            names += [name for name in self.ring.names(_folder(community)) if f"/{period}-" in name]
        with self._lock:
            for name in names:
                self._forget(name)
        return tuple(name for name in names if self.ring.destroy(name))

    def periods(self, community: int) -> tuple[str, ...]:
        """Months and days of which any key is here, oldest first."""
        names = self.ring.names(_folder(community))
        return tuple(sorted({Path(name).stem for name in names}))

    def is_gone(self, community: int, period: str) -> bool:
        """Whether the period's keys were destroyed."""
        use = "pair" if month_of_day(period) == period else "keys"
        return self.ring.is_gone(f"{_folder(community)}/{period}.{use}")

    def gone(self, community: int, period: str) -> tuple[str, ...]:
        """The names of the keys of that very period that were destroyed."""
        uses = ("pair", "keys")
        names = (f"{_folder(community)}/{_checked(period)}.{use}" for use in uses)
        return tuple(name for name in names if self.ring.is_gone(name))

    def sites(self) -> tuple[str, ...]:
        """Those whose key is here."""
        return tuple(Path(name).stem for name in self.ring.names("lasting/sites"))

    def has_register(self, community: int) -> bool:
        return self._secret(register_name(community)) is not None

    def public_of(self, community: int, period: str) -> str | None:
        """The id and the public half of a month's pair of keys; None for a day, and where there is none."""
        if f"{_folder(community)}/{period}.pair" not in set(self.ring.names(_folder(community))):
            return None
        key = self._pair(community, period, make=False).public
        return f"{key.id} {key.public}"

    def has_pair(self, community: int, period: str, key_id: str) -> bool:
        """Whether a month's pair is the one that is called so, and not one that was made after a loss."""
        return (self.public_of(community, period) or "").startswith(f"{key_id} ")

    def all_gone(self) -> tuple[tuple[int, str], ...]:
        """(community, period) of keys that were destroyed, as far as that is still remembered."""
        names = (Path(name) for name in self.ring.gone_names("periods"))
        return tuple(sorted({(int(path.parent.name), path.stem) for path in names}))

    def forget_gone(self, community: int, period: str) -> None:
        """Once a certificate says so, and its envelopes would come too late to be opened."""
        for name in self.gone(community, period):
            self.ring.forget_gone(name)

    def communities(self) -> tuple[int, ...]:
        """Those of which any key is here."""
        registers = (Path(name).stem for name in self.ring.names("lasting/registers"))
        periods = (name.split("/")[1] for name in self.ring.names("periods"))
        return tuple(sorted({int(each) for each in (*registers, *periods)}))

    # --- sites

    def token(self, site: str, kind: str, number: str) -> bytes:
        """What the gateways of a site call a credential: the first 128 bits of HMAC-SHA256(site key, kind ":"
        number); `number` as the driver writes it. Raises NotThere where the site's key is not here."""
        return hmac.digest(self._site(site), f"{kind}:{number}".encode(), sha256)[:TOKEN_BYTES]

    def has_site(self, site: str) -> bool:
        return self._secret(site_name(site)) is not None

    def keep_site_key(self, site: str, key: bytes) -> bool:
        """Keeps the 32 bytes that the site's gateways have; whether they are the ones that are kept now."""
        if len(key) != SITE_KEY_BYTES:
            raise BadQuestion("key", f"a site key has {SITE_KEY_BYTES} bytes")
        return hmac.compare_digest(self.ring.get_or_make(site_name(site), key), key)

    def site_key(self, site: str) -> bytes:
        """For the file that each gateway of the site has. Raises NotThere."""
        return self._site(site)

    def _site(self, site: str) -> bytes:
        key = self._secret(site_name(site))
        if key is None:
            raise NotThere(
                "no key of this site is in the key ring; take it in with: liuhen-central identity site"
            )
        return key

    # --- keys as they are read

    def _secret(self, name: str) -> bytes | None:
        if self._seen is None:
            return self.ring.get(name)
        found = self._seen.get(name)
        if found is None and (found := self.ring.get(name)) is not None:
            self._seen[name] = found
        return found

    def _replace(self, name: str, secret: bytes) -> None:
        self.ring.replace(name, secret)
        self._forget(name)

    def _forget(self, name: str) -> None:
        self._read.pop(name, None)
        if self._seen is not None:
            self._seen.pop(name, None)

    def _keys(self, community: int) -> Keys:
        return decode(self._register_secret(community), Keys)

    def _register(self, community: int) -> OpenKeys:
        self._register_secret(community)
        return self._parsed(register_name(community), None, keys_of)

    def _register_secret(self, community: int) -> bytes:
        """Never made here: a lost key must not be taken for one that never was."""
        name = register_name(community)
        secret = self._secret(name)
        if secret is None:
            raise SettingsError(
                f"[identity] key_ring: {name} is missing; if community {community} ever had a register key,"
                " bring lasting/ back from its copy"
            )
        return secret

    def _period(self, community: int, period: str, *, make: bool) -> OpenKeys:
        name = f"{_folder(community)}/{_checked(period)}.keys"
        return self._parsed(name, (lambda: new_keys(self.suite)) if make else None, keys_of)

    def _pair(self, community: int, period: str, *, make: bool) -> PeriodPair:
        name = f"{_folder(community)}/{_checked(period)}.pair"
        return self._parsed(name, new_pair if make else None, lambda text: pair_of(text, community, period))

    def _parsed(self, name: str, made: Callable[[], bytes] | None, parse: Callable[[bytes], _T]) -> _T:
        secret = self._secret(name)
        if secret is None:
            if made is None:
                raise IdentityGone("there is no key of this period in the key ring")
            secret = self.ring.get_or_make(name, made())
        known = self._read.get(name)
        if known is not None and known[0] is secret:
            return known[1]  # type: ignore[return-value]  # by its name, always of the same type
        parsed = parse(secret)
        with self._lock:
            self._read[name] = (secret, parsed)
        return parsed


class VisitorKeys:
    """Opens visitors' envelopes and seals what they hold for their days, with one look into the ring for each
    key. For what comes together, and not longer: what is destroyed meanwhile counts for what comes next."""

    def __init__(self, pair: Callable[..., PeriodPair], period: Callable[..., OpenKeys]) -> None:
        self._pair, self._period = pair, period
        self._pairs: dict[tuple[int, str], PeriodPair] = {}
        self._days: dict[tuple[int, str], OpenKeys] = {}

    def open(self, community: int, month: str, sealed: bytes, aad: bytes) -> VisitorIdentity:
        """What a gateway sealed (`messages.envelope.Envelope.sealed`); `aad` of `messages.envelope.bound`.
        Raises IdentityGone, IdentityDamaged."""
        pair = self._pairs.get((community, month))
        if pair is None:
            pair = self._pairs[community, month] = self._pair(community, month, make=False)
        try:
            return open_identity(sealed, pair.private, aad)
        except EnvelopeError as error:
            raise IdentityDamaged(f"a visitor's envelope: {error}") from None

    def keep(self, community: int, day: str, row: str, plain: bytes, number: str) -> tuple[bytes, bytes]:
        """`plain` as `Vault.seal_period` seals it, and the number as `Vault.period_index` has it; keys that
        are not there are made. Raises IdentityGone."""
        keys = self._days.get((community, day))
        if keys is None:
            keys = self._days[community, day] = self._period(community, day, make=True)
        return seal(keys.current, plain, _row(community, row)), _index(keys.index, "id_number", number)


def register_name(community: int) -> str:
    return f"lasting/registers/{int(community)}.keys"


def site_name(site: str) -> str:
    if not _is_name(site):
        raise BadQuestion("site", "not the name of a site")
    return f"lasting/sites/{site}.key"


def normalised(kind: str, value: str) -> str:
    """One spelling of a value, so that equal ones have equal indexes. Pure."""
    text = value if value.isascii() else unicodedata.normalize("NFKC", value)
    text = text.strip()
    if kind == "id_number" and text.isalnum():
        return text.upper()
    if kind == "id_number":
        return re.sub(r"[\s-]", "", text).upper()
    if kind == "phone":
        digits = re.sub(r"[^0-9+]", "", text)
        return digits.removeprefix("+86").removeprefix("0086")
    return text


def _opened(keys: dict[bytes, Key], sealed: bytes, bound: bytes) -> bytes:
    try:
        return open_sealed(keys, sealed, bound)
    except KeyError:
        raise IdentityGone("sealed with a key that is not in the key ring any more") from None


def _index(key: Key, kind: str, value: str) -> bytes:
    if not _is_kind(kind):
        raise BadQuestion("kind", "a kind of index is lower-case letters and underscores")
    message = f"{kind}\0{normalised(kind, value)}".encode()
    return key.suite.mac(key.secret, message)[:INDEX_BYTES]


def _row(community: int, row: str) -> bytes:
    return f"liuhen/v1\0{community}\0{row}".encode()


def _folder(community: int) -> str:
    return f"periods/{int(community)}"


def _checked(period: str) -> str:
    if not is_period(period):
        raise BadQuestion("period", "a period is a month such as 2026-11, or a day such as 2026-11-05")
    return period
