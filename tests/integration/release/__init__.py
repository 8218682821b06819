"""Deployments in one process: fake engine, real git, SQLite and sockets."""
