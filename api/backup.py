"""Backups: the whole registry in one folder or file, made beside a running service, and put back.

Decides what belongs to a backup (database, files, keys, trust lists, and a manifest with the SHA-256 of each), and in
which order it is written, so that whatever ends the work leaves the backup that was there before whole:

1. the database as it is at one moment; 2. the files that it names and the backup has not got; 3. the manifest, by a
rename; 4. what only the backup before needed is deleted. A file of the service never changes under its key, so one that
is there already is not copied again.

Where the database is backed up elsewhere, that was a while before: files that it named no more when they were listed
stay in the backup for one more round.

A restore verifies everything before it writes anything, writes the database last, and writes onto nothing: what is in
the way is moved aside on request, and never deleted. What lies in a bucket cannot be moved, and is left there on
request: no file changes under its key. The indexes are not in a backup; the database has all of them.
"""

import fcntl
import json
import os
import secrets
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any, Final, Self

import sqlalchemy as sa
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.orm import Session

from api import database_copies
from api.blobs import checked
from api.durable import make_folder, put_in_place, sync
from api.service import Service, alembic_config, make_blobs
from api.settings import Settings
from api.settings_shown import in_force
from registry.blob_consistency import is_named, named_blobs, sha256_of
from registry.blobs import BlobDamaged, BlobStore
from registry.database import Database
from registry.errors import RegistryError
from registry.models import Heads

_FORMAT: Final = "clearmark-backup-1"
_MANIFEST: Final = "manifest.json"
_BLOBS: Final = "blobs"
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700
_MOST_MANIFEST_BYTES: Final = 1 << 30
# A service that lets go of files while they are copied is looked at again so often.
_ROUNDS: Final = 3


class BadBackup(RegistryError):
    """A backup cannot be made, believed or put back; `problem` says why and what to do."""

    def __init__(self, *, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file of a backup, by its path in it."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds.

    Attributes:
        database: the path in it of the copy of the database; None: it is backed up elsewhere.
        positions: how far the logs of index, ledger and feed had come.
        parts: all files but those of `blobs`, by path.
        blobs: the service's files, by key.
        lost: keys of files that the database names and that were not there.
        kept: keys in `blobs` that the database named no more, and that an older copy of it may name.
    """

    made_at: str
    version: str
    database_kind: str
    revision: str
    database: str | None
    has_keys: bool
    positions: Mapping[str, int]
    settings: Mapping[str, object]
    parts: Mapping[str, Part]
    blobs: Mapping[str, Part]
    lost: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    format: str = field(default=_FORMAT)

    def written(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises: BadBackup."""
        path = folder / _MANIFEST
        try:
            if path.stat().st_size > _MOST_MANIFEST_BYTES:
                raise ValueError("it is too large")
            said = json.loads(path.read_text())
            if said.get("format") != _FORMAT:
                raise ValueError(f"its format is {said.get('format')!r}")
            parts, blobs = (
                {name: Part(size_bytes=int(one["size_bytes"]), sha256=str(one["sha256"])) for name, one in of.items()}
                for of in (said["parts"], said["blobs"])
            )
            for name in parts:
                _inside(folder, name)
            for key in blobs:
                checked(key)
            lost, kept = (tuple(said.get(name, ())) for name in ("lost", "kept"))
            return cls(**{**said, "parts": parts, "blobs": blobs, "lost": lost, "kept": kept})
        except FileNotFoundError:
            raise BadBackup(problem=f"{folder} is no backup: it has no {_MANIFEST}.") from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadBackup(problem=f"The manifest of {folder} cannot be read: {error}.") from None


@contextmanager
def _plainly(what: str) -> Iterator[None]:
    """Say of what a disk or a folder refused what it was for. Raises: BadBackup."""
    try:
        yield
    except OSError as error:
        raise BadBackup(problem=f"{what}: {error}.") from error


@_plainly("The backup cannot be made")
def back_up(service: Service, target: Path, *, with_keys: bool, with_database: bool, at: datetime) -> Manifest:
    """Write a backup into a folder, or add to the one that is there; to a single file where it is named `.tar`.

    Raises:
        BadBackup: the folder is something else, or cannot be written to.
        CannotCopy: the database cannot be copied.
    """
    if target.suffix == ".tar":
        return _as_file(service, target, with_keys=with_keys, with_database=with_database, at=at)
    before = Manifest.read(target) if (target / _MANIFEST).exists() else None
    if before is None and target.exists() and any(target.iterdir()):
        raise BadBackup(problem=f"{target} is not empty and no backup. Name a new folder, or one with a backup.")
    target.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    target.chmod(_PRIVATE_FOLDER)
    stamp = f"{at:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    known = dict(before.blobs) if before is not None else {}
    for _ in range(_ROUNDS):
        copy, named = _database(service, target, stamp, with_database=with_database)
        lost = _copy_blobs(service.blobs, target, named, known)
        if not _were_let_go(service, lost):
            break
    parts = {copy.path: _part(target / copy.path)} if copy.path is not None else {}
    folders = [("trust", service.settings.trust_folder)]
    if with_keys:
        folders.append(("keys", service.settings.keys_folder))
    for name, folder in folders:
        parts |= dict(_copied(folder, target, f"{name}-{stamp}"))
    blobs = {key: known[key] for key in named if key in known}
    kept = _kept(target, before, blobs) if before is not None and not with_database else {}
    made = Manifest(
        made_at=at.isoformat(), version=version("clearmark"), database_kind=service.database.url.get_backend_name(),
        revision=copy.revision, database=copy.path, has_keys=with_keys, positions=copy.positions,
        settings=in_force(service.settings), parts=parts, blobs=blobs | kept,
        lost=tuple(lost), kept=tuple(kept),
    )  # fmt: skip
    _put(target / _MANIFEST, made.written().encode())
    _tidy(target, made)
    return made


def verify(folder: Path) -> Manifest:
    """Read a backup through and hold each file to its manifest. Raises: BadBackup."""
    manifest = Manifest.read(folder)
    paths = {name: _inside(folder, name) for name in manifest.parts}
    paths |= {f"{_BLOBS}/{key}": _blob_at(folder, key) for key in manifest.blobs}
    said = dict(manifest.parts) | {f"{_BLOBS}/{key}": part for key, part in manifest.blobs.items()}
    for name, path in paths.items():
        if path.is_symlink() or not path.is_file():
            raise BadBackup(problem=f"{name} is missing in the backup.")
        if path.stat().st_size != said[name].size_bytes or sha256_of(path) != said[name].sha256:
            raise BadBackup(problem=f"{name} is not what the backup's manifest says: it was changed or cut off.")
    return manifest


@_plainly("It cannot be put back")
def restore(source: Path, settings: Settings, *, moves_aside: bool, at: datetime) -> Manifest:
    """Put a backup back where `settings` say; no service may run there.

    Args:
        moves_aside: what is in the way goes to a folder beside the data folder; without, nothing may be.
    Raises:
        BadBackup: it is damaged, of a newer version, of another kind of database, or something is in the way.
        CannotCopy: PostgreSQL's programs are missing, or failed: then all is in place but the database, which is empty.
    """
    with _opened(source, near=settings.data_dir) as folder:
        manifest = verify(folder)
        _require_known(manifest.revision)
        kind = sa.make_url(settings.database).get_backend_name()
        if manifest.database is not None and kind != manifest.database_kind:
            problem = f"It is of {manifest.database_kind}, and CLEARMARK_DATABASE_URL names {kind}."
            raise BadBackup(problem=problem)
        if manifest.database is not None:
            database_copies.require_means(settings.database)
        _clear(settings, manifest, moves_aside=moves_aside, at=at)
        for name, place in (("keys", settings.keys_folder), ("trust", settings.trust_folder)):
            _put_folder(folder, manifest, name, place)
        blobs = make_blobs(settings)
        for key in manifest.blobs:
            staged = blobs.staging / f"restored-{key}"
            shutil.copyfile(_blob_at(folder, key), staged)
            blobs.adopt(staged, key)
        if manifest.database is not None:  # last: without it nothing starts on half a backup
            database_copies.put_back(_inside(folder, manifest.database), settings.database)
    return manifest


# -- making one ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    path: str | None
    revision: str
    positions: Mapping[str, int]


def _database(service: Service, target: Path, stamp: str, *, with_database: bool) -> tuple[_Copy, list[str]]:
    """Copy the database, and say which files it names at that moment."""
    path = target / f"database-{stamp}{database_copies.suffix(service.database.url)}"
    if not with_database:
        with service.database.reading() as session:
            return _said(session, None), _keys(session)
    path.unlink(missing_ok=True)
    if service.database.is_sqlite:
        database_copies.copy_sqlite(service.database.url, path)
        path.chmod(_PRIVATE_FILE)
        copied = Database(f"sqlite:///{path}")
        try:
            with Session(copied.engine) as session:
                found = _said(session, path.name), _keys(session)
        finally:
            copied.dispose()
        for beside in ("-wal", "-shm"):
            Path(f"{path}{beside}").unlink(missing_ok=True)
    else:
        with service.database.reading() as session:
            database_copies.dump_postgresql(session, path)
            path.chmod(_PRIVATE_FILE)
            found = _said(session, path.name), _keys(session)
    sync(path)
    return found


def _said(session: Session, path: str | None) -> _Copy:
    heads = session.scalars(sa.select(Heads)).one()
    positions = {
        "index_sequence": heads.index_sequence, "ledger_size": heads.ledger_size, "feed_sequence": heads.feed_sequence,
    }  # fmt: skip
    revision = str(session.scalar(sa.text("SELECT version_num FROM alembic_version")))
    return _Copy(path=path, revision=revision, positions=positions)


def _keys(session: Session) -> list[str]:
    return sorted({named.key for named in named_blobs(session)})


def _copy_blobs(blobs: BlobStore, target: Path, named: Iterable[str], known: dict[str, Part]) -> list[str]:
    """Copy what the backup has not got, noting it in `known`; returns what is not there to be copied."""
    lost = []
    for key in named:
        place = _blob_at(target, key)
        if key in known and place.is_file() and place.stat().st_size == known[key].size_bytes:
            continue
        make_folder(place.parent, mode=_PRIVATE_FOLDER)
        try:
            with blobs.open(key) as path:
                known[key] = _copy(path, place)
        except (FileNotFoundError, BlobDamaged):
            known.pop(key, None)  # of a file that the backup lost too
            lost.append(key)
    return lost


def _were_let_go(service: Service, lost: Iterable[str]) -> bool:
    """Whether the service let go of some of these meanwhile; those that it still names another look would not find."""
    with service.database.reading() as session:
        return not all(is_named(session, key) for key in lost)


def _kept(target: Path, before: Manifest, named: Mapping[str, Part]) -> dict[str, Part]:
    """What the backup before listed as named, and is named no more."""
    gone = before.blobs.keys() - named.keys() - set(before.kept)
    return {key: before.blobs[key] for key in sorted(gone) if _blob_at(target, key).is_file()}


def _copied(folder: Path, target: Path, name: str) -> Iterator[tuple[str, Part]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            at = PurePosixPath(name, path.relative_to(folder).as_posix())
            place = target / at
            make_folder(place.parent, mode=_PRIVATE_FOLDER)
            yield str(at), _copy(path, place)


def _copy(source: Path, place: Path) -> Part:
    """A whole file under its name or none, readable for its owner alone."""
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".", delete=False) as growing:
        try:
            with source.open("rb") as file:
                shutil.copyfileobj(file, growing, 1 << 20)
            growing.flush()
            put_in_place(Path(growing.name), place)
        except BaseException:
            Path(growing.name).unlink(missing_ok=True)
            raise
    return _part(place)


def _part(path: Path) -> Part:
    return Part(size_bytes=path.stat().st_size, sha256=sha256_of(path))


def _put(path: Path, content: bytes) -> None:
    growing = path.with_suffix(".new")
    descriptor = os.open(growing, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    put_in_place(growing, path)


def _tidy(target: Path, manifest: Manifest) -> None:
    """Delete what only the backup before needed."""
    for path in (target / _BLOBS).glob("??/*"):
        if path.name not in manifest.blobs:
            path.unlink()
    tops = {PurePosixPath(name).parts[0] for name in manifest.parts} | {_BLOBS, _MANIFEST}
    for path in target.iterdir():
        if path.name not in tops:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _as_file(service: Service, target: Path, *, with_keys: bool, with_database: bool, at: datetime) -> Manifest:
    if target.exists():
        raise BadBackup(problem=f"{target} is there already. Name another file, or a folder, which is added to.")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.stem}-") as folder:
        made = back_up(service, Path(folder) / "backup", with_keys=with_keys, with_database=with_database, at=at)
        growing = Path(folder) / target.name
        descriptor = os.open(growing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
            tar.add(Path(folder) / "backup", arcname=".")
        put_in_place(growing, target)
    return made


# -- putting one back ----------------------------------------------------------------------------


@contextmanager
def _opened(source: Path, *, near: Path) -> Iterator[Path]:
    """The backup as a folder; a file is unpacked beside where it goes."""
    if source.is_dir():
        yield source
        return
    with ExitStack() as held:
        try:
            near.parent.mkdir(parents=True, exist_ok=True)
            folder = held.enter_context(tempfile.TemporaryDirectory(dir=near.parent, prefix=".restore-"))
            with tarfile.open(source) as tar:
                tar.extractall(folder, filter="data")
        except (OSError, tarfile.TarError) as error:
            problem = f"{source} cannot be unpacked: {error}. It can be named as a folder that you unpacked it into."
            raise BadBackup(problem=problem) from error
        yield Path(folder)


def _require_known(revision: str) -> None:
    try:
        ScriptDirectory.from_config(alembic_config("sqlite://")).get_revision(revision)
    except CommandError:
        problem = f"It is of a newer version, with tables of revision {revision}. Install that version first."
        raise BadBackup(problem=problem) from None


def _clear(settings: Settings, manifest: Manifest, *, moves_aside: bool, at: datetime) -> None:
    """See that nothing is in the way."""
    _require_stopped(settings)
    places = [settings.data_dir]
    places += [place for place in (settings.keys_folder, settings.trust_folder) if not _lies_in(place, places[0])]
    if settings.s3_place is None and not _lies_in(settings.blob_folder, places[0]):
        places.append(settings.blob_folder)
    if manifest.database is not None and not database_copies.is_empty(settings.database):
        is_moved = _sqlite_lies_in(settings, places[0])
        if not (moves_aside and is_moved):
            problem = "The database is not empty. Make a new one, and name it in CLEARMARK_DATABASE_URL."
            raise BadBackup(problem=problem if not is_moved else f"{settings.data_dir} has a database: see --force.")
    places = [place for place in places if place.exists() and any(place.iterdir())]
    if places and not moves_aside:
        raise BadBackup(problem=f"{places[0]} is not empty. Name another folder, or give --force to move it aside.")
    if not moves_aside and settings.s3_place is not None and _has_files(settings):
        raise BadBackup(
            problem="There are files in the bucket that CLEARMARK_BLOB_URL names. Name another prefix; or, where they"
            " are this registry's own, give --force: they stay there, and what the database does not name is deleted."
        )
    for place in places:
        _require_movable(place)
    for place in places:
        place.rename(place.with_name(f"{place.name}.before-{at:%Y%m%dT%H%M%S}"))
    settings.data_dir.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)


def _has_files(settings: Settings) -> bool:
    """Whether the object store has any; asking it leaves nothing where the backup is put back."""
    with tempfile.TemporaryDirectory() as folder:
        blobs = make_blobs(settings.model_copy(update={"data_dir": Path(folder)}))
        return any(True for _ in blobs.keys(older_than=datetime.max.replace(tzinfo=UTC)))


def _require_movable(place: Path) -> None:
    """Before anything is moved, see that each place can be."""
    if place.is_mount():
        why = "it is mounted"
    elif not os.access(place.absolute().parent, os.W_OK | os.X_OK):
        why = f"{place.absolute().parent} cannot be written to"
    else:
        return
    raise BadBackup(
        problem=f"{place} is not empty and cannot be moved aside: {why}. Move what is in it elsewhere by hand, and try"
        " again."
    )


def _require_stopped(settings: Settings) -> None:
    """A service that goes on would write into what was moved aside."""
    try:
        with Path(settings.data_dir, "service.lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return
    except BlockingIOError:
        raise BadBackup(problem=f"A service is running on {settings.data_dir.absolute()}. Stop it first.") from None


def _lies_in(place: Path, folder: Path) -> bool:
    return place.absolute().is_relative_to(folder.absolute())


def _sqlite_lies_in(settings: Settings, folder: Path) -> bool:
    url = sa.make_url(settings.database)
    return url.get_backend_name() == "sqlite" and url.database is not None and _lies_in(Path(url.database), folder)


def _put_folder(folder: Path, manifest: Manifest, name: str, place: Path) -> None:
    place.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    for part in manifest.parts:
        top, *rest = PurePosixPath(part).parts
        if top.startswith(f"{name}-") and rest:
            target = place.joinpath(*rest)
            make_folder(target.parent, mode=_PRIVATE_FOLDER)
            _copy(_inside(folder, part), target)


def _blob_at(folder: Path, key: str) -> Path:
    return folder / _BLOBS / checked(key)[-2:] / key


def _inside(folder: Path, name: str) -> Path:
    """A path that a manifest names. Raises: ValueError: it leads out of the backup."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in name or "\0" in name:
        raise ValueError(f"{name!r} leads out of the backup")
    return folder / path


def summary(manifest: Manifest) -> dict[str, Any]:
    """What is told of a backup that was made or put back."""
    sizes = [part.size_bytes for part in (*manifest.parts.values(), *manifest.blobs.values())]
    return {
        "made_at": manifest.made_at, "version": manifest.version, "database": manifest.database is not None,
        "keys": manifest.has_keys, "files": len(manifest.blobs), "bytes": sum(sizes), **manifest.positions,
        "lost": list(manifest.lost),
    }  # fmt: skip
