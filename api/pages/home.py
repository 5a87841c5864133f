"""What all pages share: the choice of language and theme."""

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.page import PostedForm, ThePage, onward
from api.pages.visit import Theme
from api.pages.words import LANGUAGES

router = APIRouter()


@router.post("/appearance")
def choose_appearance(page: ThePage, form: PostedForm) -> Response:
    """Show the pages in another language or theme from now on, in this browser."""
    language, theme = form.get("language"), form.get("theme")
    answer = page.go(onward(form.get("next")))
    page.cookies.choose(
        answer,
        language=language if language in LANGUAGES else page.visit.language,
        theme=Theme(theme) if theme in set(Theme) else page.visit.theme,
    )
    return answer
