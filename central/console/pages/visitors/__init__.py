"""Visitors 访客: passes given at the desk, and what becomes of visits."""
