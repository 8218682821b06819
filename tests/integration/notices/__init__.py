"""Notices as they leave, and what becomes of them."""
