"""The pure half of the engine's adapter."""
