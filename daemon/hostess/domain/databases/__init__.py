"""Managed databases: PostgreSQL, Redis, the pooler, and who may have what of them."""
