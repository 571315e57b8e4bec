"""About me 与我有关: a resident's own entries, and who looked at them."""
