"""A visitor's receipt, for everybody: no account is needed."""
