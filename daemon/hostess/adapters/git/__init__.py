"""Repositories, by dulwich and git's own plumbing."""
