"""Who may use the operators' port, and for what: tokens, sign-in, sessions, roles."""
