"""What can go wrong at the centre, split by who must act.

CentralError                 catch this, nothing wider
├── SettingsError            the operator must correct the settings file; never retried
├── StoreRefused             the operator must act on the database (too new, unsafe, damaged); never retried
├── StoreUnavailable         the database could not be read or written just now; retried after a growing delay
├── RowRefused               the database will never take what it was given; whoever gave it must do without
├── BundleRefused            whoever carried it must act: nothing of the bundle was taken, or none was written
├── OrderRefused             the operator must act: nothing was sent; the text says why and what to do
├── BrokerUnavailable        the broker takes nothing just now; what was noted is sent later, a command is not
├── ProviderUnavailable      the provider of sign-ins cannot be used just now; the other ways in are open
├── CannotListen             the operator must free or change the address of the pages
├── BadQuestion              the caller must ask differently: an argument is missing, unknown or out of bounds
├── NotSignedIn              the caller must sign in first
├── ProveAgain               the caller is known, and must give the second factor again for this
├── TooOften                 the caller must wait; the text says for how long
├── NotAllowed               the caller's role or scope does not go so far; somebody else may
├── NotThere                 what is named does not exist, or not for the caller
├── Clash                    what is there already does not allow it; the text says what
├── IdentityGone             nobody can act: its key was destroyed, and with it what it said about a person
└── IdentityDamaged          the operator must look: what is sealed was altered, or put in another row's place
"""

from __future__ import annotations


class CentralError(Exception):
    """Anything the centre reports as its own."""


class SettingsError(CentralError):
    """The settings file cannot be used; the text holds one line for each thing that is wrong."""


class StoreRefused(CentralError):
    """The database must not be used as it is; the text says why and what to do."""


class StoreUnavailable(CentralError):
    """The database did not take or give what was asked of it; nothing has been stored."""


class RowRefused(CentralError):
    """The database works but rejects what was to be written; trying the same again is of no use."""


class BundleRefused(CentralError):
    """What is carried by hand cannot be taken or written; the text says why and what to do."""


class OrderRefused(CentralError):
    """A list, settings or a command cannot be sent as they are, or an answer is not believed."""


class BrokerUnavailable(CentralError):
    """The broker could not be reached, or did not take what was to be sent."""


class ProviderUnavailable(CentralError):
    """It could not be reached, was too slow, or says something of itself that is not to be believed."""


class CannotListen(CentralError):
    """The address for pages and API is not to be had."""


class BadQuestion(CentralError):
    """`field` is the argument at fault; the text says the rule and never repeats the value."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class NotSignedIn(CentralError):
    """Nobody is known to be asking, or no longer."""


class CodeUsed(NotSignedIn):
    """The code was right, and somebody has signed in with it already. `wait_s`: seconds until an
    authenticator shows one that counts."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(
            f"this code was used already, and each is good once; the next one comes in {wait_s} s"
        )
        self.wait_s = wait_s


class SessionOver(NotSignedIn):
    """Somebody was signed in here, and is no longer: `idle`: nothing was done for too long; else it lasted as
    long as one does."""

    def __init__(self, *, idle: bool) -> None:
        super().__init__("sign in again: this session is over")
        self.idle = idle


class ProveAgain(CentralError):
    """Both factors were given too long ago for what is asked."""


class TooOften(CentralError):
    """`wait_s`: seconds until it is worth trying again."""

    def __init__(self, text: str, wait_s: int) -> None:
        super().__init__(f"{text} ({wait_s} s)")
        self.wait_s = wait_s


class NotAllowed(CentralError):
    """The text names what would be needed, and nothing of what is asked for."""


class NotThere(CentralError):
    """Said alike of what does not exist and of what lies outside the caller's scope."""


class Clash(CentralError):
    """It cannot be done beside what stands there: already done, overlapping, or changed meanwhile."""


class IdentityGone(CentralError):
    """The key that opens it was destroyed, as the retention demands, or is not in this key ring."""


class IdentityDamaged(CentralError):
    """What is sealed is not what was sealed for this row; the text says nothing of what it holds."""
