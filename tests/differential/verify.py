"""Verifies the tokens of a task with PyJWT. Writes one line for each: `accepted`, or why not."""

import base64
import json
import sys

import jwt

task = json.load(sys.stdin)
keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(task["keys"]).keys}

for encoded in task["tokens"]:
    token = base64.b64decode(encoded).decode()
    try:
        kid = jwt.get_unverified_header(token).get("kid")
        if kid not in keys:
            raise jwt.InvalidKeyError("unknown kid")
        jwt.decode(
            token,
            keys[kid].key,
            algorithms=["RS256"],
            audience=task["audiences"],
            issuer=task["issuers"],
            leeway=task["leeway"],
            options={"require": ["exp"]},
        )
        print("accepted")
    except Exception as error:
        print(f"{type(error).__name__}: {error}".splitlines()[0])
