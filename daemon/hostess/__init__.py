"""Hostess: a git-push platform for one host."""

__version__ = "0.1.0"
