"""The edits that copies go through here, of picture and of sound, each made with the bundled ffmpeg.

An edit knows the truth: which seconds of the edited file copy which seconds of the original.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

EXCERPT_S = 5.0
_PICTURE = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]
_ENCODE = [*_PICTURE, "-c:a", "aac", "-b:a", "96k"]
# What surrounds an excerpt of sound: so much before it, and so long a clip in all.
_LEAD_S, _HOSTED_S = 7.3, 30.0


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundEdit:
    """An excerpt of a sound under a moving test picture; `inside` names what surrounds it, if anything."""

    name: str
    length_s: float = EXCERPT_S
    filters: str = "anull"
    codec: tuple[str, ...] = ("-c:a", "aac", "-b:a", "96k")
    inside: str | None = None

    def apply(self, source: Path, target: Path, *, start_s: float, host: Path | None = None) -> Truth:
        """Write the edited clip; `host` is the sound around the excerpt, None is silence."""
        if self.inside is not None:
            return self._inside(source, target, start_s, host)
        picture = f"testsrc2=s=320x180:r=24:d={self.length_s}"
        run_ffmpeg(
            "-f", "lavfi", "-i", picture, "-ss", start_s, "-t", self.length_s, "-i", source, "-map", "0:v",
            "-map", "1:a:0", "-af", f"aresample=44100,{self.filters}", *_PICTURE, *self.codec, "-shortest", target,
        )  # fmt: skip
        return Truth(query_start_s=0.0, reference_start_s=start_s, length_s=self.length_s)

    def _inside(self, source: Path, target: Path, start_s: float, host: Path | None) -> Truth:
        same = "aresample=44100,aformat=sample_fmts=fltp:channel_layouts=stereo"
        lead, rest = _LEAD_S, _HOSTED_S - _LEAD_S - self.length_s
        graph = (
            f"[1:a:0]{same},asplit[x][y];[x]atrim=0:{lead}[a];[y]atrim={lead}:{lead + rest},asetpts=PTS-STARTPTS[c];"
            f"[2:a:0]{same},atrim={start_s}:{start_s + self.length_s},asetpts=PTS-STARTPTS[b];"
            "[a][b][c]concat=n=3:v=0:a=1[o]"
        )
        around = ["-f", "lavfi", "-i", "anullsrc"] if host is None else ["-stream_loop", "-1", "-i", host]
        run_ffmpeg(
            "-f", "lavfi", "-i", f"testsrc2=s=320x180:r=24:d={_HOSTED_S}", *around, "-i", source,
            "-filter_complex", graph, "-map", "0:v", "-map", "[o]", *_PICTURE, *self.codec, "-t", _HOSTED_S, target,
        )  # fmt: skip
        return Truth(query_start_s=lead, reference_start_s=start_s, length_s=self.length_s)


_NOISE = "anull[m];anoisesrc=a=0.02:d=60:s=1[n];[m][n]amix=inputs=2:duration=first:normalize=0"
SOUND_EDITS = (
    SoundEdit(name="20 s excerpt", length_s=20),
    SoundEdit(name="10 s excerpt", length_s=10),
    SoundEdit(name="5 s excerpt"),
    SoundEdit(name="5 s, mp3 at 64 kbit/s", codec=("-c:a", "libmp3lame", "-b:a", "64k")),
    SoundEdit(name="5 s, mp3 at 32 kbit/s", codec=("-c:a", "libmp3lame", "-b:a", "32k")),
    SoundEdit(name="5 s, 12 dB quieter", filters="volume=-12dB"),
    SoundEdit(name="5 s, 6 dB louder, clipped", filters="volume=6dB"),
    SoundEdit(name="5 s, white noise at -40 dB", filters=_NOISE),
    SoundEdit(name="5 s, 16 kHz mono", filters="aresample=16000,aformat=channel_layouts=mono"),
    SoundEdit(name="5 s inside silence", inside="silence"),
    SoundEdit(name="5 s inside other music", inside="music"),
    SoundEdit(name="5 s inside other sound", inside="other sound"),
)


def run_ffmpeg(*arguments: object) -> None:
    """Run the bundled ffmpeg on files that we made or trust."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)
