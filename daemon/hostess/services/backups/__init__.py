"""Backups: taken, proved by drills, and restored."""
