"""Compose files as hostess.yml."""
