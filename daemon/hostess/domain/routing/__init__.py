"""What is routed where, and what keeps requests away."""
