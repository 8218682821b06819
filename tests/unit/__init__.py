"""Pure tests: no event loop, no files."""
