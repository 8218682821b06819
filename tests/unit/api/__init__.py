"""Decisions of the admin API that need no server."""
