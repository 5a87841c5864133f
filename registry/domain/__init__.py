"""The registry's rules, pure: values in, values out.

No session, no clock, no network: a function that depends on time takes
`at: datetime`, and stored things arrive as values or through a callable.
"""
