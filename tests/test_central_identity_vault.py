"""The vault and its key ring: what is sealed opens only here, only in its row, and not after its end."""

import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_support import COMMUNITY, DAY, MONTH, NOON_US, VISITOR, a_registers_vault, a_vault

from central.errors import BadQuestion, Clash, IdentityDamaged, IdentityGone, NotThere, SettingsError
from central.identity.keyfiles import sealed_for
from central.identity.ring import KeyRing, make_ring
from central.identity.suites import COMMERCIAL, INTERNATIONAL, SUITES, Suite, new_key, open_sealed, seal
from central.identity.vault import Vault, normalised
from drivers.base import CredentialKind
from gateway.tokens import tokeniser
from messages.envelope import bound, decode_envelope, seal_identity

BOTH = pytest.mark.parametrize("suite", SUITES.values(), ids=list(SUITES))
PLAIN = "李业主|000000198512120021".encode()


@BOTH
def test_a_row_of_the_register_opens_again_and_shows_nothing(tmp_path: Path, suite: Suite) -> None:
    vault = a_registers_vault(tmp_path, suite)
    sealed = vault.seal_register(COMMUNITY, "person:17", PLAIN)
    assert vault.open_register(COMMUNITY, "person:17", sealed) == PLAIN
    assert PLAIN not in sealed
    assert sealed != vault.seal_register(COMMUNITY, "person:17", PLAIN)


@BOTH
@pytest.mark.parametrize(("community", "row"), [(COMMUNITY, "person:18"), (COMMUNITY, "home:17")])
def test_what_is_sealed_for_one_row_opens_in_no_other(
    tmp_path: Path, suite: Suite, community: int, row: str
) -> None:
    vault = a_registers_vault(tmp_path, suite)
    sealed = vault.seal_register(COMMUNITY, "person:17", PLAIN)
    with pytest.raises(IdentityDamaged):
        vault.open_register(community, row, sealed)


def test_another_community_has_another_key(tmp_path: Path) -> None:
    vault = a_registers_vault(tmp_path, INTERNATIONAL, COMMUNITY + 1)
    sealed = vault.seal_register(COMMUNITY, "person:17", PLAIN)
    with pytest.raises(IdentityGone):
        vault.open_register(COMMUNITY + 1, "person:17", sealed)
    mine, theirs = (vault.register_index(c, "id_number", "000000198512120021") for c in (7, 8))
    assert mine != theirs


@BOTH
def test_every_altered_bit_is_noticed(tmp_path: Path, suite: Suite) -> None:
    key = new_key(suite)
    sealed = seal(key, PLAIN, b"row")
    for at in range(len(sealed) * 8):
        altered = bytearray(sealed)
        altered[at // 8] ^= 1 << at % 8
        with pytest.raises((IdentityDamaged, KeyError)):
            open_sealed({key.id: key}, bytes(altered), b"row")


@given(st.binary(max_size=200))
def test_bytes_that_were_never_sealed_are_damage_and_no_crash(data: bytes) -> None:
    key = new_key(COMMERCIAL)
    with pytest.raises((IdentityDamaged, KeyError)):
        open_sealed({key.id: key}, data, b"row")


def test_sm4_gcm_is_that_of_rfc_8998() -> None:
    """Appendix A.1 of RFC 8998."""
    key = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    nonce = bytes.fromhex("00001234567800000000ABCD")
    bound_to = bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
    plain = bytes.fromhex(
        "AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDD"
        "EEEEEEEEEEEEEEEEFFFFFFFFFFFFFFFFEEEEEEEEEEEEEEEEAAAAAAAAAAAAAAAA"
    )
    sealed = bytes.fromhex(
        "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735"
        "D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D"
        "83DE3541E4C2B58177E065A9BF7B62EC"
    )
    assert COMMERCIAL.encrypt(key, nonce, plain, bound_to) == sealed
    assert COMMERCIAL.decrypt(key, nonce, sealed, bound_to) == plain


def test_sm3_is_that_of_its_standard() -> None:
    """GB/T 32905-2016, appendix A.1."""
    assert COMMERCIAL.digest(b"abc").hex() == (
        "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    )


def test_one_suite_takes_the_others_place_without_a_pause(tmp_path: Path) -> None:
    ring = make_ring(tmp_path / "ring", INTERNATIONAL)
    before = Vault(ring, INTERNATIONAL)
    before.make_register(COMMUNITY)
    old = before.seal_register(COMMUNITY, "person:1", PLAIN)
    after = Vault(ring, COMMERCIAL)
    assert after.open_register(COMMUNITY, "person:1", old) == PLAIN
    after.rotate_register(COMMUNITY)
    new = after.seal_register(COMMUNITY, "person:1", PLAIN)
    assert (old[1], new[1]) == (INTERNATIONAL.code, COMMERCIAL.code)
    assert [before.open_register(COMMUNITY, "person:1", each) for each in (old, new)] == [PLAIN, PLAIN]


def test_equal_numbers_meet_in_the_index_however_they_are_written(tmp_path: Path) -> None:
    vault = a_registers_vault(tmp_path)
    indexes = {
        vault.register_index(COMMUNITY, "id_number", text)
        for text in ("00000019851212002x", " 000000 19851212 002X ", "０" * 6 + "19851212002X")
    }
    assert len(indexes) == 1
    assert {len(index) for index in indexes} == {16}
    assert normalised("phone", "+86 138-0000-0000") == normalised("phone", "13800000000")


def test_kinds_of_index_do_not_meet(tmp_path: Path) -> None:
    vault = a_registers_vault(tmp_path)
    assert vault.register_index(COMMUNITY, "phone", "13800000000") != vault.register_index(
        COMMUNITY, "id_number", "13800000000"
    )
    with pytest.raises(BadQuestion):
        vault.register_index(COMMUNITY, "Phone!", "13800000000")


def test_a_register_key_that_is_not_there_is_never_made_in_passing(tmp_path: Path) -> None:
    """It may have been lost: then what was sealed with it would be unreadable, and nobody would know why."""
    vault = a_registers_vault(tmp_path)
    sealed = vault.seal_register(COMMUNITY, "person:1", PLAIN)
    lost = tmp_path / "ring" / "lasting" / "registers" / f"{COMMUNITY}.keys"
    lost.rename(tmp_path / "copy")
    for needs_it in (
        lambda: vault.seal_register(COMMUNITY, "person:2", PLAIN),
        lambda: vault.open_register(COMMUNITY, "person:1", sealed),
        lambda: vault.register_index(COMMUNITY, "phone", "13800000000"),
        lambda: vault.rotate_register(COMMUNITY),
        lambda: vault.drop_former_registers(COMMUNITY),
    ):
        with pytest.raises(SettingsError, match="bring lasting/ back"):
            needs_it()
    assert (lost.exists(), vault.register_key_ids(COMMUNITY)) == (False, frozenset())
    (tmp_path / "copy").rename(lost)
    assert vault.open_register(COMMUNITY, "person:1", sealed) == PLAIN


def test_a_former_key_opens_until_it_is_dropped(tmp_path: Path) -> None:
    vault = a_registers_vault(tmp_path)
    old = vault.seal_register(COMMUNITY, "person:1", PLAIN)
    index = vault.register_index(COMMUNITY, "phone", "13800000000")
    vault.rotate_register(COMMUNITY)
    new = vault.seal_register(COMMUNITY, "person:1", PLAIN)
    assert vault.open_register(COMMUNITY, "person:1", old) == PLAIN
    assert vault.drop_former_registers(COMMUNITY) == 1
    assert vault.open_register(COMMUNITY, "person:1", new) == PLAIN
    assert vault.register_index(COMMUNITY, "phone", "13800000000") == index
    with pytest.raises(IdentityGone):
        vault.open_register(COMMUNITY, "person:1", old)


def test_what_another_process_rotates_counts_at_once(tmp_path: Path) -> None:
    here = a_registers_vault(tmp_path)
    here.seal_register(COMMUNITY, "person:1", PLAIN)
    there = Vault(KeyRing(tmp_path / "ring"), INTERNATIONAL)
    used = there.rotate_register(COMMUNITY)
    assert here.register_key_id(COMMUNITY) == used


def test_at_one_look_a_key_counts_as_it_was_and_afterwards_as_it_is(tmp_path: Path) -> None:
    vault = a_registers_vault(tmp_path, INTERNATIONAL)
    look = vault.at_one_look()
    before = look.register_key_id(COMMUNITY)
    after = vault.rotate_register(COMMUNITY)
    assert look.register_key_id(COMMUNITY) == before != after
    assert vault.at_one_look().register_key_id(COMMUNITY) == after
    sealed = look.seal_register(COMMUNITY, "person:17", PLAIN)
    assert vault.open_register(COMMUNITY, "person:17", sealed) == PLAIN


def test_many_that_need_a_key_at_once_get_the_same_one(tmp_path: Path) -> None:
    make_ring(tmp_path / "ring", INTERNATIONAL)
    vaults = [Vault(KeyRing(tmp_path / "ring"), INTERNATIONAL) for _ in range(8)]
    start = threading.Barrier(len(vaults))
    found: list[str] = []

    def ask(vault: Vault) -> None:
        start.wait()
        found.append(vault.sealing_key(COMMUNITY, NOON_US).public)

    threads = [threading.Thread(target=ask, args=(vault,)) for vault in vaults]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(vaults)
    assert len(set(found)) == 1
    assert list((tmp_path / "ring").rglob("*.part")) == []


def test_a_visitors_envelope_opens_with_its_months_key_alone(tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    key = vault.sealing_key(COMMUNITY, NOON_US)
    assert sealed_for(key.id) == (COMMUNITY, MONTH)
    envelope = decode_envelope(seal_identity(VISITOR, key, "maple-court", "east-1"))
    here = bound("maple-court", "east-1", envelope.key)
    assert vault.open_envelope(COMMUNITY, MONTH, envelope.sealed, here) == VISITOR
    elsewhere = bound("maple-court", "east-2", envelope.key)
    with pytest.raises(IdentityDamaged):
        vault.open_envelope(COMMUNITY, MONTH, envelope.sealed, elsewhere)
    vault.sealing_key(COMMUNITY, NOON_US + 31 * 86_400_000_000)
    with pytest.raises(IdentityDamaged):
        vault.open_envelope(COMMUNITY, "2026-12", envelope.sealed, here)


def test_after_a_day_is_destroyed_nothing_opens_it_or_is_made_in_its_place(tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    sealed = vault.seal_period(COMMUNITY, DAY, "envelope:1", b"whoever")
    vault.period_index(COMMUNITY, DAY, VISITOR.number)
    secret = tmp_path / "ring" / "periods" / str(COMMUNITY) / f"{DAY}.keys"
    with secret.open("rb") as kept_open:
        text = secret.read_bytes()
        vault.destroy_period(COMMUNITY, DAY)
        assert kept_open.read() != text, "what stood on the disk was overwritten"
    assert not secret.exists()
    for again in (vault, Vault(KeyRing(tmp_path / "ring"), INTERNATIONAL)):
        with pytest.raises(IdentityGone):
            again.open_period(COMMUNITY, DAY, "envelope:1", sealed)
        with pytest.raises(IdentityGone):
            again.seal_period(COMMUNITY, DAY, "envelope:1", b"whoever")
        with pytest.raises(IdentityGone):
            again.period_index(COMMUNITY, DAY, VISITOR.number)


def test_destroying_a_month_takes_its_days_along_and_no_other(tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    vault.sealing_key(COMMUNITY, NOON_US)
    for community, day in ((7, "2026-11-04"), (7, "2026-11-30"), (7, "2026-12-01"), (8, "2026-11-04")):
        vault.seal_period(community, day, "row", b"")
    vault.destroy_period(COMMUNITY, MONTH)
    assert (vault.periods(7), vault.periods(8)) == (("2026-12-01",), ("2026-11-04",))


@pytest.mark.parametrize("period", ["2026-13", "2026-02-30", "../../master", "2026-1", ""])
def test_what_is_no_period_names_no_file(tmp_path: Path, period: str) -> None:
    with pytest.raises(BadQuestion):
        a_vault(tmp_path).destroy_period(COMMUNITY, period)


def test_tokens_are_those_of_the_sites_gateways(tmp_path: Path) -> None:
    vault, key = a_vault(tmp_path), bytes(range(32))
    with pytest.raises(NotThere):
        vault.token("maple-court", "card_uid", "04A1B2C3")
    assert vault.keep_site_key("maple-court", key)
    assert not vault.keep_site_key("maple-court", bytes(32))
    gateways = tokeniser(key)(CredentialKind.CARD_UID, "04A1B2C3")
    assert vault.token("maple-court", "card_uid", "04A1B2C3").hex() == gateways


def test_only_the_owner_can_read_the_ring_and_no_secret_stands_there_in_clear(tmp_path: Path) -> None:
    vault = a_registers_vault(tmp_path)
    vault.keep_site_key("maple-court", bytes(range(32)))
    vault.seal_register(COMMUNITY, "person:1", PLAIN)
    vault.sealing_key(COMMUNITY, NOON_US)
    vault.seal_period(COMMUNITY, DAY, "row", b"")
    files = [path for path in (tmp_path / "ring").rglob("*") if path.is_file()]
    assert len(files) == 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    folders = [path for path in (tmp_path / "ring").rglob("*") if path.is_dir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    assert not any(bytes(range(32)).hex().encode() in path.read_bytes() for path in files)


def test_a_ring_is_never_made_over_another_one(tmp_path: Path) -> None:
    a_vault(tmp_path)
    with pytest.raises(Clash):
        make_ring(tmp_path / "ring", INTERNATIONAL)


def test_a_missing_or_open_ring_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="liuhen-central identity make"):
        KeyRing(tmp_path / "ring")
    a_vault(tmp_path)
    os.chmod(tmp_path / "ring" / "master.key", 0o644)  # noqa: PTH101
    with pytest.raises(SettingsError, match="chmod 600"):
        KeyRing(tmp_path / "ring")


def test_a_file_in_anothers_place_and_a_foreign_master_key_are_refused(tmp_path: Path) -> None:
    vault = a_registers_vault(tmp_path, INTERNATIONAL, COMMUNITY + 1)
    vault.seal_register(7, "person:1", PLAIN)
    vault.seal_register(8, "person:1", PLAIN)
    folder = tmp_path / "ring" / "lasting" / "registers"
    (folder / "8.keys").write_bytes((folder / "7.keys").read_bytes())
    with pytest.raises(SettingsError, match=r"8\.keys: altered"):
        vault.seal_register(8, "person:1", PLAIN)
    (tmp_path / "ring" / "master.key").unlink()
    make_ring(tmp_path / "other", INTERNATIONAL)
    (tmp_path / "other" / "master.key").rename(tmp_path / "ring" / "master.key")
    with pytest.raises(SettingsError, match="another master key"):
        Vault(KeyRing(tmp_path / "ring"), INTERNATIONAL).seal_register(7, "person:1", PLAIN)


def test_nothing_of_a_key_or_of_a_visitor_shows_itself(tmp_path: Path) -> None:
    key = new_key(INTERNATIONAL)
    assert key.secret.hex() not in repr(key)
    assert VISITOR.name not in repr(VISITOR)
    assert VISITOR.number not in repr(VISITOR)
