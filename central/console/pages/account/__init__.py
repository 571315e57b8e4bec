"""One's own account: passkeys and password."""
