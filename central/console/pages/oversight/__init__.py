"""Oversight 监督: a second person's word, reviews of look-ups, their register, certificates of deletion."""
