"""One process, real sockets, real git, real SQLite."""
