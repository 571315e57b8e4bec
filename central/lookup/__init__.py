"""Questions about entries. By door and window only: nothing here leads to a person's entries."""
