#!/usr/bin/env python3
"""Merges OCI archives of one image, one for each architecture, into one OCI layout with one index over all of them.

    merge-archives.py LAYOUT ARCHIVE...

Prints the index's digest. Nothing is rebuilt or compressed anew: every manifest, attestations included, keeps its digest.
Source: the OCI image layout, https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

import hashlib
import json
import pathlib
import sys
import tarfile

INDEX = "application/vnd.oci.image.index.v1+json"


def blob(layout: pathlib.Path, digest: str) -> pathlib.Path:
    algorithm, _, value = digest.partition(":")
    return layout / "blobs" / algorithm / value


def read_checked(layout: pathlib.Path, descriptor: dict) -> bytes:
    content = blob(layout, descriptor["digest"]).read_bytes()
    found = "sha256:" + hashlib.sha256(content).hexdigest()
    if found != descriptor["digest"]:
        sys.exit(f"merge-archives: a blob called {descriptor['digest']} has the digest {found}")
    return content


def manifests(layout: pathlib.Path, index: dict) -> list[dict]:
    """The descriptors of all manifests that are no index themselves, each with its platform."""
    found = []
    for descriptor in index["manifests"]:
        content = json.loads(read_checked(layout, descriptor))
        if "manifests" in content:
            found += manifests(layout, content)
            continue
        kept = {key: descriptor[key] for key in ("mediaType", "digest", "size", "annotations", "platform") if key in descriptor}
        # The archive's own name for the image says nothing about the manifest.
        names = {"org.opencontainers.image.ref.name", "io.containerd.image.name", "org.opencontainers.image.created"}
        kept["annotations"] = {k: v for k, v in kept.get("annotations", {}).items() if k not in names}
        if not kept["annotations"]:
            del kept["annotations"]
        if "platform" not in kept:
            config = json.loads(read_checked(layout, content["config"]))
            kept["platform"] = {key: config[key] for key in ("architecture", "os", "variant") if config.get(key)}
        found.append(kept)
    return found


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit("usage: merge-archives.py LAYOUT ARCHIVE...")
    layout = pathlib.Path(sys.argv[1])
    layout.mkdir()
    merged, platforms = [], set()
    for archive in sys.argv[2:]:
        with tarfile.open(archive) as tar:
            tar.extractall(layout, filter="data")
        own = manifests(layout, json.loads((layout / "index.json").read_text()))
        images = {(m["platform"]["os"], m["platform"]["architecture"]) for m in own} - {("unknown", "unknown")}
        if not images or images & platforms:
            sys.exit(f"merge-archives: {archive} has {sorted(images) or 'no image'}, there were {sorted(platforms)} before")
        platforms |= images
        merged += own
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": merged}).encode()
    digest = "sha256:" + hashlib.sha256(index).hexdigest()
    blob(layout, digest).write_bytes(index)
    entry = {"mediaType": INDEX, "digest": digest, "size": len(index)}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    print(digest)


if __name__ == "__main__":
    main()
