"""What can go wrong at a device, split by who must act.

DriverError
├── ConfigurationError    the installer must act; never retried
├── DeviceUnavailable     unplugged, silent or not there yet; retried after a growing delay
└── ProtocolViolation     the device broke its protocol; counted, and the line is resynchronised
"""

from __future__ import annotations


class DriverError(Exception):
    """Catch this, nothing wider, around anything in `drivers`."""


class ConfigurationError(DriverError):
    """A setting of a device cannot work; the text says which one and what to write instead."""


class DeviceUnavailable(DriverError):
    """The device cannot be used now; `port` says where, `cause` what was seen there.

    `gone`: there is nothing at the port any more (unplugged, or nobody listens), rather than something wrong.
    """

    def __init__(self, port: str, cause: str, *, gone: bool = False) -> None:
        super().__init__(f"{port}: {cause}")
        self.port = port
        self.cause = cause
        self.gone = gone


class ProtocolViolation(DriverError):
    """The device answered with something that its protocol does not allow."""
