"""Where lines of apps are drained to: one file per way."""
