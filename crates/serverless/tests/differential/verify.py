"""Verifies client tokens with PyJWT, each with the key that its header names. Writes one line for each: its JOSE header
and its claims set, or why it is rejected."""

import base64
import json
import sys

import jwt

task = json.load(sys.stdin)

for encoded in task["tokens"]:
    token = base64.b64decode(encoded).decode()
    try:
        key = task["keys"][jwt.get_unverified_header(token).get("kid", "")]
        verified = jwt.decode_complete(
            token,
            key.encode(),
            algorithms=["HS256"],
            audience=task["audience"],
            options={"require": ["exp", "iat", "nbf", "aud"]},
        )
        print(json.dumps({"header": verified["header"], "claims": verified["payload"]}))
    except Exception as error:
        print(f"rejected: {type(error).__name__}: {error}".splitlines()[0])
