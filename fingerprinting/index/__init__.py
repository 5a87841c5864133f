"""Indexes: vectors with times go in, the nearest ones come out. One index for each algorithm."""
