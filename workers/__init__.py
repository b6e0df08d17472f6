"""Workers: they consume submit commands from RabbitMQ and call the provider's MM7 API."""
