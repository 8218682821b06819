"""Backups: what they are, how they are taken, how they come back. Pure."""
