"""Keys in a hardware security module, a smart card or a token, asked by PKCS#11.

Decides how a PKCS#11 URI finds a key, what is asked of the token, and what its failures mean. A token is opened for
each signature and closed again, so that one that was pulled, restarted or replaced is found as it is. The process
uses a module from one thread at a time: it is initialised without locks of its own.

Source: RFC 7512 (URIs), PKCS#11 3.1 (OASIS).
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from api.distant_keys import BadKeyReference, DistantKey, digest_of
from provenance.errors import KeyUnavailable
from provenance.keys import PublicKey, algorithm_of

if TYPE_CHECKING:
    from pkcs11 import Object, PrivateKey, Session, Token

_PATH = frozenset({"token", "manufacturer", "serial", "model", "slot-id", "object", "id", "type"})
_QUERY = frozenset({"module-path", "pin-source", "pin-value"})
_WAIT_S = 30.0
_CURVES: dict[bytes, type[ec.EllipticCurve]] = {  # CKA_EC_PARAMS: the DER of the curve's object identifier
    bytes.fromhex("06082a8648ce3d030107"): ec.SECP256R1,
    bytes.fromhex("06052b81040022"): ec.SECP384R1,
    bytes.fromhex("06052b81040023"): ec.SECP521R1,
}
_ED25519 = (bytes.fromhex("06032b6570"), b"\x13\x0cedwards25519")  # the identifier, or PKCS#11's name of the curve
_SALT_BYTES = 32

_REASONS = {
    "NoSuchToken": "no token in reach fits; is it there, and are `token`, `serial` and `slot-id` its own?",
    "PinIncorrect": "the token refused the PIN; correct it where `pin-source` says before the token locks",
    "PinInvalid": "the token refused the PIN; it has characters that the token does not take",
    "PinLenRange": "the token refused the PIN; it is too short or too long",
    "PinLocked": "the token has locked its PIN; unlock it as security officer",
    "PinExpired": "the token's PIN has expired; set another",
    "UserPinNotInitialized": "the token has no user PIN yet; set one as security officer",
    "UserNotLoggedIn": "the token wants a PIN; give `pin-source`",
    "MechanismInvalid": "the token cannot sign as C2PA has it with this kind of key",
    "MechanismParamInvalid": "the token cannot sign as C2PA has it with this kind of key",
}
"""What to do about a failure, by the name of the package's exception."""
_LASTING = _REASONS.keys() - {"NoSuchToken"}  # a library that starts again does not mend these
_WRONG_PIN = {"PinIncorrect", "PinInvalid", "PinLenRange"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pkcs11Uri:
    """What a PKCS#11 URI says of a key; None: nothing, anything fits."""

    module_path: str
    token: str | None
    manufacturer: str | None
    serial: str | None
    model: str | None
    slot_id: int | None
    object: str | None
    id: bytes | None
    pin_source: Path | None
    pin_value: str | None = field(repr=False)

    def fits(self, token: "Token") -> bool:
        said_and_found = (
            (self.token, token.label),
            (self.manufacturer, token.manufacturer_id),
            (self.model, token.model),
            (self.serial, token.serial.decode("utf-8", "replace").rstrip("\0 ")),
            (self.slot_id, token.slot.slot_id),
        )
        return all(said is None or said == found for said, found in said_and_found)

    def pin(self) -> str | None:
        """Raises KeyUnavailable: the file is not there."""
        if self.pin_source is None:
            return self.pin_value
        try:
            return self.pin_source.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeError) as error:
            raise KeyUnavailable(
                reason=f"the file of its PIN, {self.pin_source}, cannot be read ({type(error).__name__})"
            ) from None  # a decoding error carries what it could not decode


def parse_pkcs11_uri(said: str) -> Pkcs11Uri:
    """Read a URI such as `pkcs11:token=clearmark;object=c2pa?module-path=/usr/lib/x.so&pin-source=file:/run/pin`.

    Raises:
        BadKeyReference: it names no key, or says what is not understood.
    """
    scheme, _, rest = said.partition(":")
    if scheme != "pkcs11":
        raise BadKeyReference(reason="a PKCS#11 URI begins with pkcs11:")
    path, _, query = rest.partition("?")
    found = _attributes(path, ";", _PATH) | _attributes(query, "&", _QUERY)
    text = {name: _text(name, value) for name, value in found.items() if name != "id"}
    if text.get("type", "private") != "private":
        raise BadKeyReference(reason="in a PKCS#11 URI of a signing key, `type` is private")
    if not found.get("object") and not found.get("id"):
        raise BadKeyReference(reason="a PKCS#11 URI of a signing key has `object`, its label, or `id`")
    if not Path(text.get("module-path", "")).is_absolute():
        raise BadKeyReference(reason="a PKCS#11 URI has `module-path`, the whole path of the token's library")
    if "pin-source" in found and "pin-value" in found:
        raise BadKeyReference(reason="a PKCS#11 URI has `pin-source` or `pin-value`, not both")
    slot_id = text.get("slot-id")
    if slot_id is not None and not (slot_id.isascii() and slot_id.isdigit()):
        raise BadKeyReference(reason="in a PKCS#11 URI, `slot-id` is a number")
    return Pkcs11Uri(
        module_path=text["module-path"],
        token=text.get("token"),
        manufacturer=text.get("manufacturer"),
        serial=text.get("serial"),
        model=text.get("model"),
        slot_id=int(slot_id) if slot_id is not None else None,
        object=text.get("object"),
        id=found.get("id"),
        pin_source=_pin_file(text["pin-source"]) if "pin-source" in text else None,
        pin_value=text.get("pin-value"),
    )


def _attributes(part: str, separator: str, known: frozenset[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for one in filter(None, part.split(separator)):
        name, equals, value = one.partition("=")
        if not equals or name not in known:
            shown = f"`{name}`" if equals else "something without ="  # which may be half of a PIN
            raise BadKeyReference(reason=f"in this place of a PKCS#11 URI, {', '.join(sorted(known))} are understood,"
                                         f" {shown} is not")  # fmt: skip
        if name in found:
            raise BadKeyReference(reason=f"a PKCS#11 URI has `{name}` once")
        found[name] = unquote_to_bytes(value)
    return found


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeError:
        raise BadKeyReference(reason=f"in a PKCS#11 URI, `{name}` is UTF-8, percent-encoded") from None


def _pin_file(source: str) -> Path:
    path = Path(source.removeprefix("file://").removeprefix("file:"))
    if not path.is_absolute():
        raise BadKeyReference(reason="in a PKCS#11 URI, `pin-source` is file: and the whole path of a file")
    return path


class _Module:
    """A token's library in this process."""

    def __init__(self, path: str) -> None:
        try:
            import pkcs11
        except ImportError as error:
            raise KeyUnavailable(reason="keys in tokens need the extra `pkcs11`: clearmark[pkcs11]") from error
        self.error: type[Exception] = pkcs11.PKCS11Error
        self.lock = threading.Lock()
        try:
            self._library = pkcs11.lib(path)
        except pkcs11.PKCS11Error as error:
            raise KeyUnavailable(reason=f"the library {path} cannot be used; is it the token's?") from error
        self.restart()

    def restart(self) -> None:
        """Forget every session and slot; also what a forked process must do before anything else."""
        with suppress(self.error):
            self._library.finalize()
        try:
            self._library.initialize()
        except self.error as error:
            raise KeyUnavailable(reason=f"the token's library does not start ({type(error).__name__})") from error

    def tokens(self) -> Iterator["Token"]:
        for slot in self._library.get_slots(token_present=True):
            with suppress(self.error):  # a slot whose token cannot be read is no reason to overlook the others
                yield slot.get_token()


_modules: dict[str, _Module] = {}
_modules_lock = threading.Lock()


def _module(path: str) -> _Module:
    with _modules_lock:
        if path not in _modules:
            _modules[path] = _Module(path)
        return _modules[path]


def _forget_modules() -> None:
    global _modules_lock
    _modules_lock = threading.Lock()  # the other may have been held
    _modules.clear()


os.register_at_fork(after_in_child=_forget_modules)


class Pkcs11Key(DistantKey):
    """The private key that a PKCS#11 URI names."""

    def __init__(self, said: str) -> None:
        """Raises: BadKeyReference."""
        self._uri = parse_pkcs11_uri(said)
        self._refused_pin: str | None = None

    def _ask_public_key(self) -> PublicKey:
        return self._ask(lambda session, _: _public_half(session, self._private_key(session)))

    def _ask_signature(self, data: bytes, public: PublicKey) -> bytes:
        return self._ask(lambda session, pin: _signature(self._private_key(session), data, public, pin))

    def _ask[Answer](self, ask: Callable[["Session", str | None], Answer]) -> Answer:
        """What `ask` says of a session; when the token failed, once more of a library that has just started."""
        module = _module(self._uri.module_path)
        if not module.lock.acquire(timeout=_WAIT_S):
            raise KeyUnavailable(reason=f"the token is busy, for more than {_WAIT_S:.0f} s; see whether it hangs")
        try:
            for again in (True, False):
                try:
                    pin = self._pin()
                    with self._session(module, pin) as session:
                        return ask(session, pin)
                except module.error as error:
                    name = type(error).__name__
                    if name in _WRONG_PIN:
                        self._refused_pin = pin
                    if name in _LASTING or not again:
                        said = _REASONS.get(name, f"the token failed ({name}); see whether it works")
                        raise KeyUnavailable(reason=said) from error
                    module.restart()
            raise AssertionError
        finally:
            module.lock.release()

    def _pin(self) -> str | None:
        """Raises KeyUnavailable: the same was refused before, and a token locks after a few that are wrong."""
        pin = self._uri.pin()
        if pin is not None and pin == self._refused_pin:
            raise KeyUnavailable(reason="the token refused this PIN before, and is asked again when it is another")
        return pin

    @contextmanager
    def _session(self, module: _Module, pin: str | None) -> Iterator["Session"]:
        from pkcs11.exceptions import NoSuchToken, UserAlreadyLoggedIn

        fitting = [token for token in module.tokens() if self._uri.fits(token)]
        if not fitting:
            raise NoSuchToken
        if len(fitting) > 1:
            raise KeyUnavailable(reason="several tokens fit; give `serial` as well")
        try:
            opened = fitting[0].open(user_pin=pin)
        except UserAlreadyLoggedIn:
            opened = fitting[0].open()
        with opened as session:
            yield session

    def _private_key(self, session: "Session") -> "PrivateKey":
        from pkcs11 import Attribute, ObjectClass

        wanted: dict[Attribute, Any] = {Attribute.CLASS: ObjectClass.PRIVATE_KEY}
        if self._uri.object is not None:
            wanted[Attribute.LABEL] = self._uri.object
        if self._uri.id is not None:
            wanted[Attribute.ID] = self._uri.id
        found: list[Any] = list(session.get_objects(wanted))
        if not found:
            reason = "the token has no private key of this label or id, or shows none without a PIN"
            raise KeyUnavailable(reason=reason)
        if len(found) > 1:
            raise KeyUnavailable(reason="several private keys of the token fit; give `id` as well as `object`")
        key: PrivateKey = found[0]
        return key


def _public_half(session: "Session", private: "PrivateKey") -> PublicKey:
    """From the public key of the same id, or label where it has no id; else from the certificate.

    A token keeps these apart and says nowhere that they belong together.
    """
    from pkcs11 import Attribute, ObjectClass

    same = {Attribute.ID: private.id} if private.id else {Attribute.LABEL: private.label}
    for kind, read in ((ObjectClass.PUBLIC_KEY, _public_key), (ObjectClass.CERTIFICATE, _certified_key)):
        for found in list(session.get_objects({Attribute.CLASS: kind, **same})):
            try:
                return read(found)
            except (ValueError, TypeError) as error:
                raise KeyUnavailable(reason="the token's public key or certificate cannot be read") from error
    raise KeyUnavailable(reason="the token has no public key and no certificate of the private key's id; put one there")


def _certified_key(found: "Object") -> PublicKey:
    from pkcs11 import Attribute

    # DistantKey refuses the kinds that C2PA does not allow.
    return x509.load_der_x509_certificate(found[Attribute.VALUE]).public_key()  # type: ignore[return-value]


def _public_key(found: "Object") -> PublicKey:
    from pkcs11 import Attribute, KeyType

    if found[Attribute.KEY_TYPE] is KeyType.RSA:
        modulus, exponent = (int.from_bytes(found[name]) for name in (Attribute.MODULUS, Attribute.PUBLIC_EXPONENT))
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    # The point is an OCTET STRING, of which some tokens leave out the head: what is wanted stands at the end.
    parameters, point = bytes(found[Attribute.EC_PARAMS]), bytes(found[Attribute.EC_POINT])
    if parameters in _ED25519:
        return ed25519.Ed25519PublicKey.from_public_bytes(point[-32:])
    if parameters not in _CURVES:
        raise KeyUnavailable(reason="C2PA allows the curves P-256, P-384, P-521 and Ed25519; the token's is another")
    curve = _CURVES[parameters]()
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, point[-(1 + 2 * ((curve.key_size + 7) // 8)) :])


def _signature(private: "PrivateKey", data: bytes, public: PublicKey, pin: str | None) -> bytes:
    from pkcs11 import MGF, Attribute, Mechanism

    digest = algorithm_of(public).digest
    asked: dict[str, Any]
    if digest is None:
        asked = {"mechanism": Mechanism.EDDSA}
    elif isinstance(public, rsa.RSAPublicKey):
        able = private.session.token.slot.get_mechanisms()
        hashes_itself = Mechanism.RSA_PKCS_PSS not in able and Mechanism.SHA256_RSA_PKCS_PSS in able
        asked = {
            "mechanism": Mechanism.SHA256_RSA_PKCS_PSS if hashes_itself else Mechanism.RSA_PKCS_PSS,
            "mechanism_param": (Mechanism.SHA256, MGF.SHA256, _SALT_BYTES),
        }
        digest = None if hashes_itself else digest
    else:
        asked = {"mechanism": Mechanism.ECDSA}
    if pin is not None and _says(private, Attribute.ALWAYS_AUTHENTICATE):
        asked["pin"] = pin
    signs: Any = private  # that keys of its kind sign is in no type
    signature: bytes = signs.sign(data if digest is None else digest_of(data, digest), **asked)
    return signature


def _says(found: Any, attribute: Any) -> bool:
    """Whether an attribute, which an older token does not know, is there and true."""
    from pkcs11.exceptions import AttributeTypeInvalid

    try:
        return bool(found[attribute])
    except AttributeTypeInvalid:
        return False
