"""How a host is looked at and changed: systemd, accounts, files, the engine."""
