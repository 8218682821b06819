"""Use cases: each an object with one public verb or two."""
