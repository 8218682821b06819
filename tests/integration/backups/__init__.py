"""Backups, against a real disk."""
