"""`make dashboard-picture`: the dashboard of five minutes of load and faults, drawn from what a real Prometheus saw."""
