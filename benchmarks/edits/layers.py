"""What people lay over a picture: drawn here, as a transparent picture or as two that take turns."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from benchmarks import cache

_CAPTION = "when you finally\nget the good part"
_SUBTITLES = ("I never said that it was easy,", "only that it would be worth it.")
_SUBTITLE_S = 2


def draw(layer: str, width: int, height: int) -> list[object]:
    """ffmpeg's input arguments for a layer of that size, without an end."""
    name = cache.digest("layer 1", layer, width, height)
    for page in range(len(_SUBTITLES) if layer == "subtitles" else 1):

        def make(path: Path, page: int = page) -> None:
            _page(layer, page, width, height).save(path, "png")

        path = cache.media(f"{name}-{page}", ".png", make)
    return ["-loop", 1, "-framerate", f"1/{_SUBTITLE_S}", "-i", path.with_name(f"{name}-%d.png")]


def _page(layer: str, page: int, width: int, height: int) -> Image.Image:
    picture = Image.new("RGBA", (width, height))
    pen = ImageDraw.Draw(picture)
    if layer == "logo":
        left, top, side = width * 0.8, height * 0.06, min(width, height) * 0.16
        pen.ellipse((left, top, left + side, top + side), fill=(220, 30, 40, 230))
        _write(pen, "TV", left + side / 2, top + side / 2, size=side / 2, fill="white")
    elif layer == "caption":
        pen.rectangle((0, 0, width, height * 0.2), fill="white")
        _write(pen, _CAPTION, width / 2, height * 0.1, size=height * 0.07, fill="black")
    elif layer == "subtitles":
        _write(pen, _SUBTITLES[page], width / 2, height * 0.88, size=min(width / 18, height * 0.07), fill="white")
    else:
        _stickers(pen, width, height)
    return picture


def _write(pen: ImageDraw.ImageDraw, text: str, x: float, y: float, *, size: float, fill: str) -> None:
    font = ImageFont.load_default(size)
    stroke = "black" if fill == "white" else None
    pen.text(
        (x, y), text, font=font, fill=fill, anchor="mm", align="center", stroke_width=2, stroke_fill=stroke or fill
    )


def _stickers(pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
    """Three faces and a star burst, each about a fifth of the picture high."""
    side = height * 0.2
    for x, y, colour in ((0.12, 0.15, "gold"), (0.7, 0.1, "deepskyblue"), (0.62, 0.66, "hotpink")):
        left, top = width * x, height * y
        pen.ellipse((left, top, left + side, top + side), fill=colour, outline="black", width=3)
        for eye in (0.3, 0.6):
            pen.ellipse(
                (left + side * eye, top + side * 0.3, left + side * (eye + 0.12), top + side * 0.45), fill="black"
            )
        pen.arc((left + side * 0.25, top + side * 0.3, left + side * 0.75, top + side * 0.8), 20, 160, "black", 4)
    pen.regular_polygon((width * 0.2, height * 0.75, side * 0.6), 3, fill="lime")
    pen.regular_polygon((width * 0.2, height * 0.75, side * 0.6), 3, rotation=180, fill="lime")
