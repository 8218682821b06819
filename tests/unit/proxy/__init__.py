"""The proxy's pure half."""
