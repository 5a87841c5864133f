"""The edits that copies go through here, each made with the bundled ffmpeg.

An edit knows the truth: which seconds of the edited file copy which seconds of the original.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

EXCERPT_S = 5.0
_ENCODE = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "96k"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The edited file's [query_start_s, query_start_s + length_s) copies the original from `reference_start_s` on."""

    query_start_s: float
    reference_start_s: float
    length_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One way to change a clip; `filters` for the picture, `arguments` for all else."""

    name: str
    filters: str = "null"
    arguments: tuple[str, ...] = ()
    cut: bool = False
    host: bool = False

    def apply(self, source: Path, target: Path, *, duration_s: float, host: Path | None = None) -> Truth:
        """Write the edited clip; with `host`, an excerpt is placed inside that unrelated clip."""
        start = round(max(0.0, (duration_s - EXCERPT_S) * 0.37), 2) if self.cut else 0.0
        length = min(EXCERPT_S, duration_s - start) if self.cut else duration_s
        picture = f"[0:v:0]trim={start}:{start + length},setpts=PTS-STARTPTS,{self.filters}"
        if self.host and host is not None:
            lead = 4.0
            same = "scale=640:360,setsar=1,fps=25,format=yuv420p"
            graph = (
                f"{picture},{same}[b];[1:v:0]trim=0:{lead},setpts=PTS-STARTPTS,{same}[a];"
                f"[1:v:0]trim={lead}:{2 * lead},setpts=PTS-STARTPTS,{same}[c];[a][b][c]concat=n=3[v]"
            )
            run_ffmpeg("-i", source, "-i", host, "-filter_complex", graph, "-map", "[v]", *_ENCODE, target)
            return Truth(query_start_s=lead, reference_start_s=start, length_s=length)
        run_ffmpeg(
            "-i", source, "-filter_complex", f"{picture}[v]", "-map", "[v]", *_ENCODE, *self.arguments, target
        )  # fmt: skip
        return Truth(query_start_s=0.0, reference_start_s=start, length_s=length)


VIDEO_EDITS = (
    Edit(name="exact"),
    Edit(name="re-encode crf 35", arguments=("-crf", "35")),
    Edit(name="scale to 240 lines", filters="scale=-2:240"),
    Edit(name="scale to 1.5x", filters="scale=trunc(iw*0.75)*2:trunc(ih*0.75)*2"),
    Edit(name="brighter and warmer", filters="eq=brightness=0.08:contrast=1.2:saturation=1.5"),
    Edit(name="grey", filters="hue=s=0"),
    Edit(name="12 frames a second", filters="fps=12"),
    Edit(name="60 frames a second", filters="fps=60"),
    Edit(name="blur", filters="gblur=sigma=2"),
    Edit(name="noise", filters="noise=alls=15:allf=t"),
    Edit(name="5 s excerpt", cut=True),
    Edit(name="5 s excerpt, crf 35, 240 lines", cut=True, filters="scale=-2:240", arguments=("-crf", "35")),
    Edit(name="5 s excerpt inside another clip", cut=True, host=True),
)


def run_ffmpeg(*arguments: object) -> None:
    """Run the bundled ffmpeg on files that we made or trust."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


def audio_excerpt(
    source: Path, target: Path, *, start_s: float, length_s: float, condition: str = "anull"
) -> Truth:
    """An excerpt of a track under a moving test picture, changed by an ffmpeg audio filter."""
    picture = f"testsrc2=s=320x180:r=24:d={length_s}"
    run_ffmpeg(
        "-f", "lavfi", "-i", picture, "-ss", start_s, "-t", length_s, "-i", source,
        "-map", "0:v", "-map", "1:a:0", "-af", condition, *_ENCODE, "-shortest", target,
    )  # fmt: skip
    return Truth(query_start_s=0.0, reference_start_s=start_s, length_s=length_s)
