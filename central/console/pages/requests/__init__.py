"""Requests about people's own data: a resident's own, the desk's, and how many are overdue for oversight."""
