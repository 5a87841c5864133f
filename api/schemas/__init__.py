"""What goes in and out over HTTP. Names are those of the contract and are never renamed."""
