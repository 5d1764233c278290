"""Verifies client tokens with PyJWT. Writes one line for each: its claims set, or why it is rejected."""

import base64
import json
import sys

import jwt

task = json.load(sys.stdin)

for encoded in task["tokens"]:
    token = base64.b64decode(encoded).decode()
    try:
        claims = jwt.decode(
            token,
            task["key"].encode(),
            algorithms=["HS256"],
            audience=task["audience"],
            options={"require": ["exp", "iat", "nbf", "aud"]},
        )
        print(json.dumps(claims))
    except Exception as error:
        print(f"rejected: {type(error).__name__}: {error}".splitlines()[0])
