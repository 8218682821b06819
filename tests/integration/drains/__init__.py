"""Drains on real sockets."""
