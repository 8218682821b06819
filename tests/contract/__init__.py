"""The same tests for the fake and for the real thing."""
