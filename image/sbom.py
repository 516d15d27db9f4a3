#!/usr/bin/env python3
"""What is inside an image, as CycloneDX 1.6 (ECMA-424) in JSON: image/sbom.py IMAGE.efi VERSION SECONDS

Read out of the list that lies beside it (IMAGE.efi.files); the same image gives the same bytes. SECONDS since 1970 is
the commit's time.
"""
import datetime
import hashlib
import json
import sys
import uuid
from urllib.parse import quote

image, version, seconds = sys.argv[1:]


def sha256(digest):
    return [{"alg": "SHA-256", "content": digest}]


def purl(kind, name, of_version, words=""):
    return f"pkg:{kind}/{quote(name, safe='')}@{quote(of_version, safe='.-~')}{words}"


def of_debian(line):
    name, of_version, architecture, digest = line.split()[:4]
    url = purl("deb/debian", name, of_version, f"?arch={architecture}")
    return {"type": "library", "name": name, "version": of_version, "purl": url, "hashes": sha256(digest)}


def of_crate(line):
    name, of_version, *licence = line.split()
    of_version = of_version.removeprefix("v")
    crate = {"type": "library", "name": name, "version": of_version, "purl": purl("cargo", name, of_version)}
    if licence:
        # Older crates write a slash where SPDX has OR.
        crate["licenses"] = [{"expression": " ".join(licence).replace("/", " OR ")}]
    return crate


def of_file(line):
    digest, path = line.split(maxsplit=1)
    return {"type": "file", "name": path, "hashes": sha256(digest)}


parts = {"from Debian": of_debian, "in our own programs": of_crate, "in the root": of_file}
components, read = [], None
with open(f"{image}.files", encoding="utf-8") as listed:
    for line in map(str.strip, listed):
        if line.startswith("#"):
            read = next((read for title, read in parts.items() if line[2:].startswith(title)), None)
        elif line and read:
            components.append(read(line))
for number, component in enumerate(components):
    component["bom-ref"] = f"{number}-{component['name']}"

with open(image, "rb") as file:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
at = datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc)
bom = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "serialNumber": uuid.uuid5(uuid.NAMESPACE_OID, digest).urn,
    "version": 1,
    "metadata": {
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "component": {
            "type": "firmware",
            "bom-ref": "image",
            "name": "patchkeep",
            "version": version,
            "hashes": sha256(digest),
        },
    },
    "components": components,
}
json.dump(bom, sys.stdout, indent=1)
print()
