"""The proxy: serves the live table; knows nothing of apps, Docker, git or SQLite."""
