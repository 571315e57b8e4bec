"""Gateways: what they say of themselves, how complete their records are, how their devices are."""
