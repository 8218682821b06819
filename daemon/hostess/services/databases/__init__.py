"""Managed databases, from their credentials to what is made inside them."""
