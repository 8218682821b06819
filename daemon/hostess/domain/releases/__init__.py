"""Releases: what they are, and the way from one to the next."""
