"""A token for tests that keeps its keys in software: SoftHSM 2, in a folder of its own.

SoftHSM finds its folder by SOFTHSM2_CONF, which it reads when its library starts: one token at a time in a process.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pkcs11
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

LABEL, PIN, OFFICER_PIN = "clearmark", "a-PIN-of-tests", "an-officer's-PIN"
_CURVES = {"es256": "secp256r1", "es384": "secp384r1", "es512": "secp521r1"}
_ED25519 = bytes.fromhex("06032b6570")


class NoSoftHsm(Exception):
    """This machine has no SoftHSM in the places searched."""


def find_module() -> Path:
    """SoftHSM's library. Raises: NoSoftHsm."""
    folders = [Path("/usr/lib/softhsm"), *Path("/usr/lib").glob("*/softhsm"), Path("/usr/lib64/softhsm")]
    folders += [Path("/usr/lib64/pkcs11"), Path("/usr/local/lib/softhsm"), Path("/opt/homebrew/lib/softhsm")]
    for folder in folders:
        if (folder / "libsofthsm2.so").is_file() and shutil.which("softhsm2-util"):
            return folder / "libsofthsm2.so"
    raise NoSoftHsm("install softhsm2")


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftToken:
    """A token: where its library and its keys are, and what opens it."""

    module: Path
    folder: Path
    pin_file: Path

    def uri(self, label: str, *, pin: str | None = None, **attributes: str) -> str:
        """The URI of a private key; `pin` instead of the file with the right one."""
        source = f"pin-source=file:{self.pin_file}" if pin is None else f"pin-value={quote(pin)}"
        said = {"token": LABEL, "object": label, "type": "private"} | {
            name.replace("_", "-"): value for name, value in attributes.items()
        }
        path = ";".join(f"{name}={quote(value)}" for name, value in said.items())
        return f"pkcs11:{path}?module-path={self.module}&{source}"

    def generate(self, kind: str, label: str, *, each_time: bool = False) -> None:
        """A pair of keys for a C2PA algorithm; `each_time`: it wants the PIN for each signature."""
        said: dict[str, Any] = {
            "label": label, "id": label.encode(), "store": True,
            "capabilities": MechanismFlag.SIGN | MechanismFlag.VERIFY,
            "private_template": {Attribute.ALWAYS_AUTHENTICATE: each_time},
        }  # fmt: skip
        with self.session() as session:
            if kind == "ps256":
                session.generate_keypair(KeyType.RSA, 2048, **said)
                return
            curve = encode_named_curve_parameters(_CURVES[kind]) if kind in _CURVES else _ED25519
            type_ = KeyType.EC if kind in _CURVES else KeyType.EC_EDWARDS
            parameters = session.create_domain_parameters(type_, {Attribute.EC_PARAMS: curve}, local=True)
            parameters.generate_keypair(**said)

    def destroy(self, kind: ObjectClass, label: str) -> None:
        with self.session() as session:
            for found in list(session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: label})):
                found.destroy()

    def keep_certificate(self, der: bytes, label: str) -> None:
        with self.session() as session:
            session.create_object({
                Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
                Attribute.VALUE: der, Attribute.SUBJECT: b"", Attribute.TOKEN: True, Attribute.LABEL: label,
                Attribute.ID: label.encode(),
            })  # fmt: skip

    def session(self) -> Any:
        return pkcs11.lib(str(self.module)).get_token(token_label=LABEL).open(rw=True, user_pin=PIN)


@contextmanager
def soft_token() -> Iterator[SoftToken]:
    """An empty token. Raises: NoSoftHsm."""
    module = find_module()
    before = os.environ.get("SOFTHSM2_CONF")
    with tempfile.TemporaryDirectory(prefix="clearmark-softhsm-") as home:
        token = SoftToken(module=module, folder=Path(home, "tokens"), pin_file=Path(home, "pin"))
        token.folder.mkdir(mode=0o700)
        token.pin_file.write_text(f"{PIN}\n")
        configuration = Path(home, "softhsm2.conf")
        configuration.write_text(
            f"directories.tokendir = {token.folder}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        os.environ["SOFTHSM2_CONF"] = str(configuration)
        try:
            command = [
                "softhsm2-util",
                "--init-token",
                "--free",
                "--label",
                LABEL,
                "--pin",
                PIN,
                "--so-pin",
                OFFICER_PIN,
            ]
            subprocess.run(command, check=True, capture_output=True)
            pkcs11.lib(str(module)).reinitialize()  # it may have started with another token
            yield token
        finally:
            pkcs11.lib(str(module)).finalize()
            if before is None:
                del os.environ["SOFTHSM2_CONF"]
            else:
                os.environ["SOFTHSM2_CONF"] = before
