"""Integration tests of what the daemon keeps."""
