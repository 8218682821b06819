"""Decisions about what is built and fetched."""
