"""From a push to the live release."""
