"""Commands for people: parse arguments, call the API, print. Never imports the daemon's services or adapters."""
