"""The JSON that users see: events, commands, addresses, times; and the way between them and MM7."""
