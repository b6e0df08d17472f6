"""What the programs say of themselves: logs and metrics."""
