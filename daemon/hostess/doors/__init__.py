"""How requests come in: translate, call a service, translate back."""
