"""The durable places beside the broker."""
