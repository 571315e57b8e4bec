"""Per kind of device one codec (pure) and one driver (I/O)."""
