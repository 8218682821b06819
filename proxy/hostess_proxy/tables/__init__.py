"""The table that the daemon gives: its values, and their strict reading."""
