"""Entries end: so long after their arrival records are deleted, certified, and their chains stay whole."""
