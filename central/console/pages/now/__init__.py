"""Now 实时: entries as they arrive, and how complete each gateway is."""
