"""Runner, loop, hooks and optimiser wrapper."""
