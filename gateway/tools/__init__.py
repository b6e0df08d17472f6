"""The `mm7` command: what a person uses to try, watch and mend."""
