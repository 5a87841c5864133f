"""Media in, values out: decode, descriptors, index, alignment. No database, no web.

Read in this order: `model` (the values), `extract` (a file becomes a fingerprint), `index`
(vectors become hits), `align` (hits become segments), `match` (the three put together).
"""
