"""Pages: what people see of the service in a browser, made here and sent whole.

A page calls the same functions as the route of the API that it stands for (`api.routes`), with the same body, and shows
what that returns; it decides nothing of its own. `visit` knows who looks, `forms` reads what they typed, `page` writes
the answer, `words` says it in their language.
"""
