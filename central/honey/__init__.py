"""Honey records: made-up people whom nobody has a lawful reason to look up."""
