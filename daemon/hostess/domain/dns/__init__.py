"""DNS: what records say of a host, and what they let authorities do."""
