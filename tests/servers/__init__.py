"""Real servers for tests: started from binaries on this machine, gone when the tests end."""
