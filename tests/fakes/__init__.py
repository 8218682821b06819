"""Fakes written by hand, kept honest by tests/contract."""
