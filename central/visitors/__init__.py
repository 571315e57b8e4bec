"""Visitors: passes, and what becomes of them."""
