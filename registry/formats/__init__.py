"""Reservations in the formats of the field: read from what sites and files say, and written for them.

Pure: bytes or texts in, statements out, and the other way round. Fetches nothing and stores nothing.
"""
