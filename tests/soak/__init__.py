"""The soak: everything breaks at random for minutes, under load, and then the accounts are made."""
