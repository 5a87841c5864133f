"""HTTP routes, one module for each kind of resource: parse, call one service, render."""
