"""`mm7 demo`: the real programs, a simulated provider, and the story of one message in and one out."""
