"""mm7-gateway: receives MM7 callbacks, publishes events; and all that the workers share with it."""

__version__ = "0.1.0"
