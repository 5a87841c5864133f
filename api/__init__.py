"""Every process edge: settings, HTTP routes, CLI, worker, and adapters to the world outside.

Routes and commands parse, call one service, render. No rule of the business lives here.
"""
