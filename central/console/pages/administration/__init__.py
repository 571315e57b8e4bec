"""Administration 账户管理: who may do what here. Nobody's entries, and nobody of the register, are in it."""
