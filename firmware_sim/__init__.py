"""The other end of every cable, written from the manuals alone."""
