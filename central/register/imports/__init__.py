"""Homes, people, residencies, leases and cards from a spreadsheet: read, previewed, imported, undone."""
