"""Backups: which ones are kept."""
