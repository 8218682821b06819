"""What git runs inside a push: standard library only, so that a push never waits for imports."""
