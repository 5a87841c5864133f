"""The commands of `clearmark trust` and `clearmark signer`: whom the service believes, and who it signs as.

They work on the data folder, beside a running service too, which sees what changed at its next call. What they change
is shown before and after; nothing is believed that was not named.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.console import AsJson, Exit, columns, complain, day, fields, noted, show
from api.settings import load_settings

if TYPE_CHECKING:
    from api.signers import Signers
    from provenance.authority import Signer
    from provenance.trust import TrustList, TrustLists

trust = typer.Typer(help="Whose signatures and time-stamps are believed.", no_args_is_help=True)
signer = typer.Typer(help="The certificate that releases are signed with.", no_args_is_help=True)

# Lists that are published under these names; where to have them is their publishers' to say.
_KNOWN = {"c2pa": "official", "c2pa-tsa": "official", "c2pa-interim": "interim"}
_FETCH_S = 30.0

Name = Annotated[str, typer.Argument(help="The list's name: c2pa, c2pa-tsa and c2pa-interim are known ones.")]
Source = Annotated[str, typer.Argument(metavar="FILE|URL", help="A PEM bundle of CA certificates.")]


@trust.command("lists")
def list_lists(as_json: AsJson = False) -> None:
    """List the trust lists, with what is in them and what of it has expired."""
    at = datetime.now(UTC)
    found = [_described(one, at) for one in _lists().all()]
    names = ["list", "for", "standing", "certificates", "expired", "updated", "from"]
    rows: list[list[object]] = [
        [f["name"], f["kind"], f["standing"], f["certificates"], f["expired"], day(f["updated_at"]), f["source"]]
        for f in found
    ]
    show(found, as_json=as_json, table=lambda: columns("Trust lists, beside our own CA", names, rows))


@trust.command("add")
def add_list(
    name: Name,
    source: Source,
    kind: Annotated[
        str | None, typer.Option(help="`manifest`: signs credentials; `tsa`: stamps time.", show_default="by the name")
    ] = None,
    standing: Annotated[
        str | None, typer.Option(help="official, interim or operator.", show_default="by the name")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Believe the CA certificates of a file, or of a URL that can be fetched again with `trust update`."""
    from provenance.authority import AnchorKind, Standing
    from provenance.trust import BadTrustList

    lists = _lists()
    if _undamaged(lists, name) is not None:
        raise BadTrustList(reason=f"there is a list {name!r} already: clearmark trust update {name}")
    kind = kind or (AnchorKind.TIME_STAMP if name.endswith("tsa") else AnchorKind.MANIFEST)
    standing = standing or _KNOWN.get(name, Standing.OPERATOR)
    if kind not in list(AnchorKind) or standing not in (Standing.OFFICIAL, Standing.INTERIM, Standing.OPERATOR):
        raise typer.BadParameter("--kind is manifest or tsa, --standing official, interim or operator.")
    _put(lists, name, source, AnchorKind(kind), Standing(standing), as_json=as_json)


@trust.command("update")
def update_list(
    name: Name,
    source: Annotated[
        str | None, typer.Argument(metavar="[FILE|URL]", help="Where the new version is; else where it came from.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put a new version in a list's place, and say what it adds and removes."""
    from provenance.trust import BadTrustList

    lists = _lists()
    known = lists.get(name)
    if known is None:
        raise BadTrustList(reason=f"there is no trust list {name!r}: clearmark trust add {name} FILE")
    if source is None and "://" not in known.source:
        raise BadTrustList(reason=f"{name!r} came from a file: clearmark trust update {name} FILE")
    _put(lists, name, source or known.source, known.kind, known.standing, as_json=as_json)


@trust.command("remove")
def remove_list(name: Name, as_json: AsJson = False) -> None:
    """Believe a list no more."""
    from registry.admin_actions import Action

    _lists().remove(name)
    noted(Action.TRUST_LIST_REMOVED, name)
    show({"name": name, "removed": True}, as_json=as_json, table=lambda: f"{name} is not believed any more.")


@signer.command("status")
def signer_status(
    trial: Annotated[
        bool, typer.Option("--try", help="Ask the key for a signature and read back what it signed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say who signs and until when. Exit code: 0 fine, 1 it is expired or did not sign."""
    from api.signers import require_signature
    from provenance.errors import ProvenanceError

    at = datetime.now(UTC)
    settings = load_settings()
    current = _signers().current(at=at)
    found = _identity(current, at)
    warn = timedelta(days=settings.signer_warn_days)
    found["expires_soon"] = not found["expired"] and current.identity.not_after - at <= warn
    if trial:
        try:
            require_signature(current, at=at)
            found["trial"] = "signed, intact and trusted"
        except ProvenanceError as error:
            found["trial"] = f"failed: {error}"
    rows = {name.replace("_", " "): value for name, value in found.items() if name != "chain"}
    chain = "\n".join(f"{one['subject']}, until {day(one['not_after'])}" for one in found["chain"])
    show(found, as_json=as_json, table=lambda: fields("Signer", {**rows, "chain": chain}))
    failed = found["expired"] or str(found.get("trial", "")).startswith("failed")
    raise typer.Exit(Exit.ERROR if failed else Exit.OK)


@signer.command("csr")
def signer_csr(
    common_name: Annotated[str, typer.Option(help="Who signs, as verifiers show it.")],
    organization: Annotated[str, typer.Option(help="Whose service it is.")],
    country: Annotated[str | None, typer.Option(help="ISO 3166, two letters.")] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Where the key lies, as CLEARMARK_SIGNER_KEY says it.", show_default="a new P-256 key"),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to write it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a request for a claim signer's certificate, for a certificate authority to answer.

    Without --key a new key is kept in the keys folder until `signer rotate` gets its certificate.
    """
    from api.signing_keys import BadKeyReference, open_key, request_certificate

    signers, settings = _signers(), load_settings()
    said = key or str(signers.request_key())
    try:
        opened = open_key(said, token=settings.signer_token)
        request = request_certificate(opened, common_name=common_name, organization=organization, country=country)
    except BadKeyReference as error:
        raise typer.BadParameter(error.reason, param_hint="--key") from None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    text = request.decode("ascii")
    if output is not None:
        output.write_text(text)
    show({"csr": text}, as_json=as_json, table=lambda: f"Written to {output}." if output else text.rstrip())


@signer.command("rotate")
def signer_rotate(
    certificates: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="PEM file with the new chain, the signer's own first."),
    ] = None,
    anchors: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="PEM file with the CA certificates that it ends at."),
    ] = None,
    key: Annotated[str | None, typer.Option(help="Where its key lies.", show_default="the key of `signer csr`")] = None,
    as_json: AsJson = False,
) -> None:
    """Sign with another certificate from now on; running services follow, and what was signed before stays verified.

    Nothing changes unless the new certificate was seen to sign a file that reads back intact and trusted. Without
    --certificates the development signer is renewed.
    """
    from registry.admin_actions import Action

    at = datetime.now(UTC)
    signers = _signers()
    before = signers.current(at=at)
    if certificates is None:
        if not signers.is_development:
            raise typer.BadParameter("Give the new chain with --certificates.")
        after = signers.renew_development(at=at)
    else:
        if key is None and not signers.requested_key.exists():
            raise typer.BadParameter("Give --key, or make a key first with: clearmark signer csr")
        configured = load_settings().trust_anchors
        if anchors is None and not configured:
            raise typer.BadParameter("Give the CA certificates that the chain ends at with --anchors.")
        said_anchors = anchors or Path(configured)
        after = signers.rotate(certificates, key or str(signers.requested_key), said_anchors, at=at)
        if key is None:
            signers.requested_key.unlink()
    noted(Action.SIGNER_ROTATED, after.identity.serial, details={"name": after.identity.name})
    if signers.current(at=at).identity.serial != after.identity.serial:
        complain("another signer is still newer: see clearmark signer status")
    found = {"before": _identity(before, at), "now": _identity(after, at)}
    rows = {
        "signed so far": f"{before.identity.name}, until {day(before.identity.not_after)}",
        "signs now": f"{after.identity.name}, until {day(after.identity.not_after)}",
        "key": after.key_at,
    }
    show(found, as_json=as_json, table=lambda: fields("Signer rotated", rows))


def _undamaged(lists: "TrustLists", name: str) -> "TrustList | None":
    """The list of that name; None also where it is damaged, so that a new one takes its place."""
    from provenance.trust import BadTrustList

    try:
        return lists.get(name)
    except BadTrustList:
        return None


def _put(lists: "TrustLists", name: str, source: str, kind: Any, standing: Any, *, as_json: bool) -> None:
    from provenance.trust import TrustList, compare, read_certificates
    from registry.admin_actions import Action

    at = datetime.now(UTC)
    old = _undamaged(lists, name)
    new = TrustList(
        name=name, kind=kind, standing=standing, source=source, updated_at=at,
        pem=read_certificates(_content(source)),
    )  # fmt: skip
    changed = compare(old, new)
    lists.put(new)
    noted(Action.TRUST_LIST_PUT, name, details={"sha256": new.sha256, "added": len(changed.added)})
    found = {**_described(new, at), "added": list(changed.added), "removed": list(changed.removed)}
    rows = {
        "list": name, "for": kind.value, "standing": standing.value, "certificates": found["certificates"],
        "expired": found["expired"], "added": "\n".join(changed.added), "removed": "\n".join(changed.removed),
    }  # fmt: skip
    show(found, as_json=as_json, table=lambda: fields(f"Believed from now on: {new.uri}", rows))


def _content(source: str) -> bytes:
    from api.outbound import Outbound, OutboundError
    from provenance.trust import MAX_LIST_BYTES, BadTrustList

    try:
        if "://" not in source:
            with Path(source).open("rb") as file:
                return file.read(MAX_LIST_BYTES + 1)
        fetched = Outbound().fetch(source, max_bytes=MAX_LIST_BYTES, https_only=True, redirects=3, timeout_s=_FETCH_S)
    except (OSError, OutboundError) as error:
        raise BadTrustList(reason=f"{source} cannot be had: {error}") from error
    if fetched.status != 200:
        raise BadTrustList(reason=f"{source} answered {fetched.status}")
    return fetched.body


def _described(one: "TrustList", at: datetime) -> dict[str, Any]:
    certificates = one.certificates
    return {
        "name": one.name, "uri": one.uri, "kind": one.kind.value, "standing": one.standing.value,
        "source": one.source, "updated_at": one.updated_at.isoformat(), "sha256": one.sha256,
        "certificates": len(certificates),
        "expired": sum(certificate.not_valid_after_utc <= at for certificate in certificates),
    }  # fmt: skip


def _identity(who: "Signer", at: datetime) -> dict[str, Any]:
    from cryptography import x509

    identity = who.identity
    chain = x509.load_pem_x509_certificates(identity.certificate_chain_pem.encode("ascii"))
    return {
        "name": identity.name, "serial": identity.serial, "algorithm": identity.algorithm.value, "key": who.key_at,
        "development": identity.development, "not_before": identity.not_before.isoformat(),
        "not_after": identity.not_after.isoformat(), "days_left": max(0, (identity.not_after - at).days),
        "expired": identity.not_after <= at,
        "chain": [
            {"subject": one.subject.rfc4514_string(), "not_after": one.not_valid_after_utc.isoformat()}
            for one in chain
        ],
    }  # fmt: skip


def _lists() -> "TrustLists":
    from provenance.trust import TrustLists

    return TrustLists(load_settings().trust_folder)


def _signers() -> "Signers":
    from api.signers import Signers

    settings = load_settings()
    settings.keys_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Signers(settings)
