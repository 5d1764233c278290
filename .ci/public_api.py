#!/usr/bin/env python3
"""The public API of a library, one item a line, and the foreign types in it.

    public_api.py --compare|--accept PACKAGE RUSTDOC_JSON LISTING

Reads what `cargo +nightly rustdoc --lib --all-features -- -Zunstable-options --output-format json` wrote. The listing is
compared, or replaced. Items are named by the shortest path that leads to them from outside. Not listed are what every
type has (auto traits, blanket implementations) and what `#[doc(hidden)]` hides.
"""

import difflib
import json
import sys
from pathlib import Path

# The format of the JSON that this reads. Another one needs a look at what has changed.
FORMATS = range(54, 62)

# For each package the crates whose types may be part of its promise, each with the reason. No others may.
LANGUAGE = {"alloc": "the language", "core": "the language", "std": "the language"}
ALLOWED = {
    "signalr-upstream-auth": LANGUAGE | {
        "axum_core": "extractors of the feature `axum`",
        "bytes": "bodies, as in http",
        "http": "requests and responses",
        "http_body": "bodies of any kind",
        "reqwest": "`configure_client` and `dns_resolver`; documented as not at 1.0 and re-exported",
        "serde": "`Settings` and arguments are deserialized by any format",
        "serde_core": "where serde keeps its traits",
        "tower_layer": "what this crate is",
        "tower_service": "what this crate is",
    },
    "mock-entra": LANGUAGE | {
        "bytes": "bodies, as in http",
        "http": "requests and header names",
        "serde": "claims and members of any type",
        "serde_core": "where serde keeps its traits",
        "serde_json": "claims and members as they are written",
        "signalr_upstream_auth": "what its tokens are checked by",
        "tokio": "streams that `MockEntra` serves",
    },
    "signalr-serverless": LANGUAGE | {
        "axum_core": "responses of the feature `axum`",
        "azure_core": "`TokenCredential`, the seam to the Azure SDK",
        "background_refresh": "the wall clock, re-exported",
        "http": "requests and responses",
        "serde": "arguments of any type",
        "serde_core": "where serde keeps its traits",
        "typespec_client_core": "`HttpClient`, which `azure_core` re-exports",
        "zeroize": "connection strings that are erased",
    },
    "signalr-emulator": LANGUAGE | {
        "bytes": "bodies, as in http",
        "http": "methods of the request log",
        "mock_entra": "the Entra of the emulator, re-exported",
        "rcgen": "cause of a failed start",
        "rustls": "cause of a failed start",
        "serde_core": "settings are deserialized by any format",
        "serde_json": "arguments and messages as values",
        "signalr_upstream_auth": "ids and clocks, re-exported",
        "tokio": "the receiver of events",
    },
}


class Crate:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.json = json.load(file)
        if self.json["format_version"] not in FORMATS:
            sys.exit(f"rustdoc writes format {self.json['format_version']}; this script knows {FORMATS[0]} to {FORMATS[-1]}")
        self.index, self.paths = self.json["index"], self.json["paths"]
        self.names, self.aliases = {}, set()
        self.find(self.json["root"], ())

    def item(self, identity):
        return self.index.get(str(identity))

    def find(self, identity, prefix):
        """Names what a module holds by the shortest path, and of several the first."""
        queue = [(identity, prefix, 0)]
        while queue:
            identity, prefix, depth = queue.pop(0)
            module = self.item(identity)
            for child in module["inner"]["module"]["items"]:
                item = self.item(child)
                if item is None:
                    continue
                kind, name = next(iter(item["inner"])), item["name"]
                if kind == "use":
                    use = item["inner"]["use"]
                    target = self.item(use["id"]) if use["id"] is not None else None
                    if use["is_glob"]:
                        if target is not None and depth < 8:
                            queue.insert(0, (use["id"], prefix, depth + 1))
                        continue
                    name = use["name"]
                    if target is None or target["crate_id"] != 0:
                        self.names.setdefault(("foreign", *prefix, name), use["source"])
                        continue
                    child, item = use["id"], target
                    kind = next(iter(item["inner"]))
                if kind == "impl":
                    continue
                path = (*prefix, name)
                self.aliases.add((path, child))
                if child not in self.names or len(path) < len(self.names[child]):
                    self.names[child] = path
                    if kind == "module":
                        queue.append((child, path, depth))

    # Types

    def path(self, path):
        identity, name = path["id"], path["path"]
        own = self.names.get(identity)
        known = self.paths.get(str(identity))
        if own is not None:
            name = "::".join(("crate", *own))
        elif known is not None:
            name = "::".join(known["path"])
            name = SHORT.get(name, name)
        return name + self.arguments(path.get("args"))

    def arguments(self, arguments):
        if not arguments or arguments == "return_type_notation":
            return ""
        if inputs := arguments.get("parenthesized"):
            return f"({', '.join(map(self.type, inputs['inputs']))}){self.output(inputs['output'])}"
        parts = []
        for argument in arguments["angle_bracketed"]["args"]:
            if argument == "infer":
                parts.append("_")
            elif "lifetime" in argument:
                parts.append(argument["lifetime"])
            elif "type" in argument:
                parts.append(self.type(argument["type"]))
            else:
                parts.append(argument["const"]["expr"])
        for constraint in arguments["angle_bracketed"]["constraints"]:
            name = constraint["name"] + self.arguments(constraint["args"])
            binding = constraint["binding"]
            if "equality" in binding:
                term = binding["equality"]
                parts.append(f"{name} = {self.type(term['type']) if 'type' in term else term['constant']['expr']}")
            else:
                parts.append(f"{name}: {self.bounds(binding['constraint'])}")
        return f"<{', '.join(parts)}>" if parts else ""

    def type(self, value):
        [(kind, inner)] = value.items()
        match kind:
            case "resolved_path":
                return self.path(inner)
            case "primitive":
                return {"never": "!", "unit": "()"}.get(inner, inner)
            case "generic":
                return inner
            case "infer":
                return "_"
            case "tuple":
                return f"({', '.join(map(self.type, inner))}{',' if len(inner) == 1 else ''})"
            case "slice":
                return f"[{self.type(inner)}]"
            case "array":
                return f"[{self.type(inner['type'])}; {inner['len']}]"
            case "borrowed_ref":
                lifetime = f"{inner['lifetime']} " if inner["lifetime"] else ""
                return f"&{lifetime}{'mut ' if inner['is_mutable'] else ''}{self.type(inner['type'])}"
            case "raw_pointer":
                return f"*{'mut' if inner['is_mutable'] else 'const'} {self.type(inner['type'])}"
            case "impl_trait":
                return f"impl {self.bounds(inner)}"
            case "dyn_trait":
                traits = [self.binder(one["generic_params"]) + self.path(one["trait"]) for one in inner["traits"]]
                return "dyn " + " + ".join(traits + ([inner["lifetime"]] if inner["lifetime"] else []))
            case "function_pointer":
                return f"{self.binder(inner['generic_params'])}{self.header(inner['header'])}fn{self.signature(inner['sig'], False)}"
            case "qualified_path":
                arguments = self.arguments(inner["args"])
                if inner["trait"] is None or inner["self_type"] == {"generic": "Self"}:
                    return f"{self.type(inner['self_type'])}::{inner['name']}{arguments}"
                return f"<{self.type(inner['self_type'])} as {self.path(inner['trait'])}>::{inner['name']}{arguments}"
        sys.exit(f"a type that this script does not know: {kind}")

    def bounds(self, bounds):
        return " + ".join(map(self.bound, bounds))

    def bound(self, bound):
        if "outlives" in bound:
            return bound["outlives"]
        if "use" in bound:
            names = [one if isinstance(one, str) else next(iter(one.values())) for one in bound["use"]]
            return f"use<{', '.join(names)}>"
        trait = bound["trait_bound"]
        modifier = {"maybe": "?", "maybe_const": "~const "}.get(trait["modifier"], "")
        return self.binder(trait["generic_params"]) + modifier + self.path(trait["trait"])

    def binder(self, params):
        return f"for<{', '.join(map(self.param, params))}> " if params else ""

    def param(self, param):
        [(kind, inner)] = param["kind"].items()
        if kind == "lifetime":
            return param["name"] + (f": {' + '.join(inner['outlives'])}" if inner["outlives"] else "")
        if kind == "const":
            return f"const {param['name']}: {self.type(inner['type'])}" + (f" = {inner['default']}" if inner["default"] else "")
        bounds = f": {self.bounds(inner['bounds'])}" if inner["bounds"] else ""
        return param["name"] + bounds + (f" = {self.type(inner['default'])}" if inner["default"] else "")

    def generics(self, generics):
        """What stands in angle brackets, and what stands behind `where`."""
        params = [one for one in generics["params"] if not one["kind"].get("type", {}).get("is_synthetic")]
        wheres = []
        for predicate in generics["where_predicates"]:
            [(kind, inner)] = predicate.items()
            if kind == "bound_predicate":
                wheres.append(f"{self.binder(inner['generic_params'])}{self.type(inner['type'])}: {self.bounds(inner['bounds'])}")
            elif kind == "lifetime_predicate":
                wheres.append(f"{inner['lifetime']}: {' + '.join(inner['outlives'])}")
            else:
                wheres.append(f"{self.type(inner['lhs'])} == {inner['rhs']}")
        brackets = f"<{', '.join(map(self.param, params))}>" if params else ""
        return brackets, f" where {', '.join(wheres)}" if wheres else ""

    def header(self, header):
        abi = header["abi"]
        abi = "" if abi == "Rust" else f'extern "{abi if isinstance(abi, str) else next(iter(abi))}" '
        return "".join(f"{word} " for word in ("const", "async", "unsafe") if header[f"is_{word}"]) + abi

    def output(self, output):
        return f" -> {self.type(output)}" if output is not None else ""

    def signature(self, signature, has_names):
        inputs = []
        for name, kind in signature["inputs"]:
            text = self.type(kind)
            if name == "self":
                text = {"Self": "self", "&Self": "&self", "&mut Self": "&mut self"}.get(text, f"self: {text}")
            elif has_names:
                text = f"{name}: {text}"
            inputs.append(text)
        return f"({', '.join(inputs)}){self.output(signature['output'])}"

    # Items

    def function(self, name, inner):
        brackets, wheres = self.generics(inner["generics"])
        return f"{self.header(inner['header'])}fn {name}{brackets}{self.signature(inner['sig'], True)}{wheres}"

    def lines(self):
        listed = []
        for key, path in self.names.items():
            if isinstance(key, tuple):
                listed.append(f"pub use {'::'.join(('crate', *key[1:]))} = {path}")
                continue
            item = self.item(key)
            listed += self.item_lines("::".join(("crate", *path)), item)
        for path, child in self.aliases:
            if path != self.names[child]:
                listed.append(f"pub use {'::'.join(('crate', *path))} = {'::'.join(('crate', *self.names[child]))}")
        # What nobody can name, or call.
        listed = {line for line in listed if "__private" not in line and "StructuralPartialEq" not in line}
        return sorted(listed, key=lambda line: (line[max(line.find("crate::"), 0) :], line))

    def item_lines(self, name, item):
        [(kind, inner)] = item["inner"].items()
        attributes = "#[non_exhaustive] " if "non_exhaustive" in item["attrs"] else ""
        attributes += "#[must_use] " if any("must_use" in str(attribute).lower().replace("mustuse", "must_use") for attribute in item["attrs"]) else ""
        attributes += "#[deprecated] " if item["deprecation"] else ""
        match kind:
            case "module":
                yield f"{attributes}pub mod {name}"
            case "macro" | "proc_macro":
                yield f"{attributes}macro {name}!"
            case "function":
                yield f"{attributes}pub {self.function(name, inner)}"
            case "constant":
                yield f"{attributes}pub const {name}: {self.type(inner['type'])}"
            case "static":
                yield f"{attributes}pub static {name}: {self.type(inner['type'])}"
            case "type_alias":
                brackets, wheres = self.generics(inner["generics"])
                yield f"{attributes}pub type {name}{brackets} = {self.type(inner['type'])}{wheres}"
            case "struct" | "enum" | "union":
                brackets, wheres = self.generics(inner["generics"])
                yield f"{attributes}pub {kind} {name}{brackets}{wheres}"
                yield from self.fields(name, inner) if kind != "enum" else self.variants(name, inner)
                for identity in inner["impls"]:
                    yield from self.impl_lines(name, self.item(identity))
            case "trait":
                brackets, wheres = self.generics(inner["generics"])
                bounds = f": {self.bounds(inner['bounds'])}" if inner["bounds"] else ""
                yield f"{attributes}pub {'unsafe ' if inner['is_unsafe'] else ''}trait {name}{brackets}{bounds}{wheres}"
                for identity in inner["items"]:
                    yield from self.associated(name, self.item(identity), True)
                # Of types that are not ours: those of ours are listed with the type.
                for identity in inner["implementations"]:
                    implementation = self.item(identity)
                    own = implementation and implementation["inner"]["impl"]["for"].get("resolved_path", {}).get("id") in self.names
                    if not own:
                        yield from self.impl_lines(name, implementation)
            case _:
                sys.exit(f"an item that this script does not know: {kind}")

    def fields(self, name, inner):
        kinds = inner["kind"] if isinstance(inner.get("kind"), dict) else {}
        for identity in kinds.get("plain", inner if "fields" in inner else {}).get("fields", kinds.get("tuple", [])):
            if identity is not None and (field := self.item(identity)) and field["visibility"] == "public":
                yield f"pub {name}.{field['name']}: {self.type(field['inner']['struct_field'])}"

    def variants(self, name, inner):
        for identity in inner["variants"]:
            variant = self.item(identity)
            kind = variant["inner"]["variant"]["kind"]
            text = f"pub {name}::{variant['name']}"
            if kind != "plain":
                [(shape, parts)] = kind.items()
                fields = [self.item(one) for one in (parts if shape == "tuple" else parts["fields"]) if one is not None]
                types = [self.type(field["inner"]["struct_field"]) for field in fields]
                if shape == "tuple":
                    text += f"({', '.join(types)})"
                else:
                    named = (f"{field['name']}: {kind}" for field, kind in zip(fields, types))
                    text += f" {{ {', '.join(named)} }}"
            yield ("#[non_exhaustive] " if "non_exhaustive" in variant["attrs"] else "") + text

    def impl_lines(self, name, item):
        if item is None:
            return
        inner = item["inner"]["impl"]
        if inner["is_synthetic"] or inner["blanket_impl"] is not None:
            return
        brackets, wheres = self.generics(inner["generics"])
        if inner["trait"] is None:
            subject = self.type(inner["for"])
            for identity in inner["items"]:
                if (part := self.item(identity)) and part["visibility"] == "public":
                    yield from self.associated(subject, part, False, wheres)
            return
        yield f"impl{brackets} {'!' if inner['is_negative'] else ''}{self.path(inner['trait'])} for {self.type(inner['for'])}{wheres}"
        for identity in inner["items"]:
            part = self.item(identity)
            if part and "assoc_type" in part["inner"] and part["inner"]["assoc_type"]["type"] is not None:
                yield f"impl {self.path(inner['trait'])} for {self.type(inner['for'])}: type {part['name']} = {self.type(part['inner']['assoc_type']['type'])}"

    def associated(self, name, item, is_trait, wheres=""):
        if item is None:
            return
        [(kind, inner)] = item["inner"].items()
        path = f"{name}::{item['name']}"
        must_use = "#[must_use] " if any("must_use" in str(one).lower().replace("mustuse", "must_use") for one in item["attrs"]) else ""
        if kind == "function":
            provided = " { .. }" if is_trait and inner["has_body"] else ""
            yield f"{must_use}pub {self.function(path, inner)}{wheres}{provided}"
        elif kind == "assoc_const":
            yield f"pub const {path}: {self.type(inner['type'])}"
        elif kind == "assoc_type":
            brackets, own = self.generics(inner["generics"])
            bounds = f": {self.bounds(inner['bounds'])}" if inner["bounds"] else ""
            yield f"pub type {path}{brackets}{bounds}{own}"

    # Foreign types

    def foreign(self):
        """Crate to the types and traits of it that stand in the documentation."""
        found = {}
        for item in self.index.values():
            if item["crate_id"] != 0:
                continue
            implementation = item["inner"].get("impl")
            if implementation and (implementation["is_synthetic"] or implementation["blanket_impl"] is not None):
                continue
            for identity in references(item["inner"]):
                entry = self.paths.get(str(identity))
                # What a macro writes for its own purposes and nobody can name.
                if entry is None or entry["crate_id"] == 0 or "__private" in entry["path"]:
                    continue
                owner = self.json["external_crates"][str(entry["crate_id"])]["name"]
                found.setdefault(owner, set()).add("::".join(entry["path"]))
        return found


# What the prelude has, and what stands in every signature.
SHORT = {
    "core::option::Option": "Option",
    "core::result::Result": "Result",
    "alloc::string::String": "String",
    "alloc::vec::Vec": "Vec",
    "alloc::boxed::Box": "Box",
    "alloc::sync::Arc": "Arc",
    # Where nightlies from October 2026 on keep them; how they are written stays.
    "alloc::rcs::arc::Arc": "Arc",
    "core::io::error::Error": "std::io::error::Error",
    "core::convert::Infallible": "!",
    "core::marker::Send": "Send",
    "core::marker::Sync": "Sync",
    "core::marker::Sized": "Sized",
    "core::marker::Copy": "Copy",
    "core::clone::Clone": "Clone",
    "core::convert::Into": "Into",
    "core::convert::From": "From",
    "core::convert::AsRef": "AsRef",
    "core::iter::traits::collect::IntoIterator": "IntoIterator",
    "core::iter::traits::iterator::Iterator": "Iterator",
}


def references(value):
    """Every path to a type or a trait inside of a piece of documentation."""
    if isinstance(value, dict):
        if "path" in value and isinstance(value.get("id"), int):
            yield value["id"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def main(mode, package, path, listing):
    crate = Crate(path)
    lines, listing = crate.lines(), Path(listing)
    failed = False
    if mode == "--accept":
        listing.parent.mkdir(exist_ok=True)
        listing.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        before = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
        changes = list(difflib.unified_diff(before, lines, str(listing), "as it is", n=0, lineterm=""))
        if changes:
            print("\n".join(changes))
            print(f"if that is meant: .ci/public_api --accept {package}")
            failed = True
    found, allowed = crate.foreign(), ALLOWED.get(package, LANGUAGE)
    for owner in sorted(set(found) - set(allowed)):
        print(f"{package}: not allowed in the public API: {owner}: {', '.join(sorted(found[owner]))}")
        failed = True
    print(f"{package}: {len(lines)} lines; types and traits of {', '.join(f'{owner} {len(found[owner])}' for owner in sorted(found))}")
    return failed


sys.exit(main(*sys.argv[1:]))
