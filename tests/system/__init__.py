"""The whole program against a real Docker engine."""
