"""Writes what an image of the service is made of, as CycloneDX 1.6: `make sbom`.

Says each package of the lock that is installed there, its version, hashes and licence, and our own name, version and
licence. It names no registry: where packages come from is the operator's own affair. The same lock gives the same file.
"""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

_CYCLONEDX = str(Path(sys.executable).with_name("cyclonedx-py"))
# The test of this script validates what it makes; doing so here would take most of the time.
_HOW = ("--output-reproducible", "--no-validate", "-o", "-")


def bill(lock: Path, project: Path) -> dict[str, Any]:
    """The bill of materials of a lock file that has hashes."""
    command = [_CYCLONEDX, "requirements", str(lock), "--pyproject", str(project), *_HOW]
    written = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    made: dict[str, Any] = json.loads(written)
    made["components"] = [_component(one) for one in made["components"]]
    ours = tomllib.loads(project.read_text())["project"]
    made["metadata"]["component"] = {
        "bom-ref": "clearmark", "type": "application", "name": ours["name"], "version": ours["version"],
        "description": ours["description"], "licenses": [{"expression": ours["license"]}],
        "purl": f"pkg:pypi/{ours['name']}@{ours['version']}",
    }  # fmt: skip
    # A lock is flat: what is there because of what, it does not say.
    refs = [one["bom-ref"] for one in made["components"]]
    made["dependencies"] = [{"ref": "clearmark", "dependsOn": refs}, *({"ref": ref} for ref in refs)]
    return made


def _component(said: dict[str, Any]) -> dict[str, Any]:
    """Without the line that it was read from, and without an address to get it from."""
    sources = said.get("externalReferences", ())
    hashes = [one for source in sources for one in source.get("hashes", ())]
    told = {name: said[name] for name in ("type", "name", "version", "purl")}
    return {**told, "bom-ref": said["purl"], "hashes": hashes, "licenses": _licences(said["name"])}


def _licences(package: str) -> list[dict[str, Any]]:
    """As the package itself says, where it is installed here."""
    try:
        said = metadata(package)
    except PackageNotFoundError:
        return []
    if expression := said.get("License-Expression"):
        return [{"expression": expression}]
    kinds = [kind.rpartition(" :: ")[2] for kind in said.get_all("Classifier") or () if kind.startswith("License :: ")]
    named = kinds or [line for line in (said.get("License") or "").splitlines()[:1] if re.search(r"\w", line)]
    return [{"license": {"name": name}} for name in named]


if __name__ == "__main__":
    lock_file, target = map(Path, sys.argv[1:])
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(bill(lock_file, Path("pyproject.toml")), indent=1, sort_keys=True) + "\n")
    print(f"Written to {target}.")
