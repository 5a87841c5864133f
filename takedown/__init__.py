"""Takedown: what follows when somebody says that a release infringes their work.

Decides the course of a notice: whether it is complete, what may happen next and
by whom, and by when. It does not decide whether a work was copied (a similarity
score never files a sworn notice by itself), nor how a request or a letter
travels (`api`). The law covered so far is 17 U.S.C. 512.
"""
