"""Certificates on disk, of the internal authority, and those that people bring."""
