"""Who may do what: accounts, login, second factor, roles, scope."""
