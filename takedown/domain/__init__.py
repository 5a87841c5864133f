"""The rules of a notice as pure values and functions: no database, no web, no clock."""
