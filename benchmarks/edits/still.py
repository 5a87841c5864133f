"""Registered pictures, and what shows them: a clip for a second or more, or a changed copy of the picture."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks import cache, ffmpeg
from benchmarks.edits.picture import Shot
from benchmarks.edits.truth import Edited, Piece
from fingerprinting.model import ItemNumber

_BEFORE_S, _AFTER_S = 4.0, 4.0
_SAME = "scale=640:360:force_original_aspect_ratio=decrease,pad=640:360:-1:-1,setsar=1,fps=25,format=yuv420p"


def still(shot: Shot) -> Path:
    """The picture in the middle of a shot, as a file of its own."""

    def make(path: Path) -> None:
        ffmpeg.run("-ss", shot.length_s / 2, "-i", shot.path, "-frames:v", 1, path)

    return cache.media(cache.digest("still 1", shot.path.stem), ".png", make)


@dataclass(frozen=True, slots=True, kw_only=True)
class StillEdit:
    """One way to use a picture; shown for `shown_s` seconds inside a clip, or alone where that is 0."""

    name: str
    shown_s: float = 0.0
    filters: str = "null"
    group: str = "still"

    def apply(self, picture: Path, item: ItemNumber, other: Shot) -> Edited:
        key = cache.digest("still edit 1", self, picture.stem, other.path.stem)
        if not self.shown_s:
            path = cache.media(key, ".jpg", lambda target: _run("-i", picture, "-vf", self.filters, "-q:v", 12, target))
            piece = Piece(item=item, query_start_s=0, query_end_s=1, reference_start_s=0, reference_end_s=1)
            return Edited(path=path, pieces=(piece,))
        path = cache.media(key, ".mp4", lambda target: self._show(picture, other, target))
        end_s = _BEFORE_S + self.shown_s
        piece = Piece(
            item=item, query_start_s=_BEFORE_S, query_end_s=end_s, reference_start_s=0, reference_end_s=self.shown_s
        )
        return Edited(path=path, pieces=(piece,))

    def _show(self, picture: Path, other: Shot, target: Path) -> None:
        around = [("-stream_loop", -1, "-ss", start_s, "-t", length_s, "-i", other.path)
                  for start_s, length_s in ((0, _BEFORE_S), (1, _AFTER_S))]  # fmt: skip
        graph = (
            f"[0:v]{_SAME},setpts=PTS-STARTPTS[a];[1:v]{self.filters},{_SAME}[b];[2:v]{_SAME},setpts=PTS-STARTPTS[c];"
            "[a][b][c]concat=n=3[v]"
        )
        shown = ("-loop", 1, "-framerate", 25, "-t", self.shown_s, "-i", picture)
        _run(
            *around[0], *shown, *around[1], "-filter_complex", graph, "-map", "[v]",
            "-c:v", "libx264", "-preset", "veryfast", "-crf", 26, target,
        )  # fmt: skip


def _run(*arguments: object) -> None:
    ffmpeg.run(*arguments)


STILL_EDITS = (
    StillEdit(name="shown for 1 s in a clip", shown_s=1.0),
    StillEdit(name="shown for 2 s in a clip", shown_s=2.0),
    StillEdit(name="shown for 3 s, cropped 20 %, grey", shown_s=3.0, filters="crop=iw*0.8:ih*0.8,hue=s=0"),
    StillEdit(name="the picture, compressed and smaller", filters="scale=320:-2"),
    StillEdit(name="the picture, cropped 30 %", filters="crop=iw*0.7:ih*0.7"),
    StillEdit(name="the picture, mirrored", filters="hflip"),
)
