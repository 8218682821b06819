"""Managed databases: what is decided about them."""
