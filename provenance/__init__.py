"""Provenance: manifests, signing, reading and trust of Content Credentials (C2PA).

Media and values in, values out. It knows no database and no web, and it does
not decide whether a clip may be released (registry) nor how facts are shown
(api).
"""
