"""MessageError: something arrived that the contract does not allow. The sender must act; nobody retries."""

from __future__ import annotations


class MessageError(ValueError):
    """A message cannot be taken; the text names the field and the rule, and never quotes a value."""
