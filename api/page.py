"""Pages: documents of HTML for people that stand on their own; they load nothing and run nothing."""

from html import escape

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.3rem .6rem;border-bottom:1px solid #ddd;"
    "text-align:left;vertical-align:top}img{display:block;max-width:100%}.verdict{font-weight:bold}"
    "pre{background:#f4f4f4;padding:.6rem;overflow:auto;max-height:24rem;user-select:all}"
)


def document(title: str, body: str) -> str:
    """A page with that title, which is text, around a body, which is HTML."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><style>{_STYLE}</style></head>'
        f"<body>{body}</body></html>\n"
    )
