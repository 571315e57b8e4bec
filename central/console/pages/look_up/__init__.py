"""Look up 查询: purpose and case, then a person, a room or a door; the answer, and how complete."""
