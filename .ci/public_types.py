#!/usr/bin/env python3
"""Which foreign types stand in the public API: those of the crates listed here and no others.

Reads what `cargo +nightly rustdoc --lib --all-features -- -Zunstable-options --output-format json` wrote.
"""

import json
import sys

# Each with the reason why its types may be part of a promise of this crate.
ALLOWED = {
    "alloc": "the language",
    "axum_core": "extractors of the feature `axum`",
    "bytes": "bodies, as in http",
    "core": "the language",
    "http": "requests and responses",
    "http_body": "bodies of any kind",
    "reqwest": "`configure_client`; documented as not at 1.0 and re-exported",
    "serde": "`Settings` and arguments are deserialized by any format",
    "serde_core": "where serde keeps its traits",
    "std": "the language",
    "tokio": "streams that `testing::MockEntra` serves",
    "tower_layer": "what this crate is",
    "tower_service": "what this crate is",
}


def references(value):
    """Every path to a type or a trait inside of a piece of documentation."""
    if isinstance(value, dict):
        if "path" in value and isinstance(value.get("id"), int):
            yield value["id"], value["path"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def main(path):
    with open(path, encoding="utf-8") as file:
        crate = json.load(file)
    paths, crates = crate["paths"], crate["external_crates"]
    found = {}
    for item in crate["index"].values():
        if item["crate_id"] != 0:
            continue
        inner = item["inner"]
        implementation = inner.get("impl")
        if implementation and (implementation.get("is_synthetic") or implementation.get("blanket_impl")):
            continue
        for identity, name in references(inner):
            entry = paths.get(str(identity))
            if entry is None or entry["crate_id"] == 0:
                continue
            # What a macro writes for its own purposes and nobody can name.
            if "__private" in entry["path"]:
                continue
            owner = crates[str(entry["crate_id"])]["name"]
            found.setdefault(owner, set()).add("::".join(entry["path"]))
    for owner in sorted(found):
        print(f"{owner}: {len(found[owner])} types and traits")
    foreign = {owner: sorted(names) for owner, names in found.items() if owner not in ALLOWED}
    if foreign:
        print(f"not allowed in the public API: {json.dumps(foreign, indent=1)}")
        return 1
    unused = sorted(set(ALLOWED) - set(found) - {"alloc", "core", "std", "serde", "serde_core"})
    if unused:
        print(f"allowed and not found: {unused}")
        return 1
    return 0


sys.exit(main(sys.argv[1]))
