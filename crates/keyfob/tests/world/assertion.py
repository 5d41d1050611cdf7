"""An API that believes nobody but keyfob: verifies an assertion with PyJWT and the published keys, and prints its claims.

Arguments: where keyfob is, the audience. The assertion is on standard input.
"""
import json
import sys

import jwt

origin, audience = sys.argv[1:]
token = sys.stdin.read().strip()
if jwt.get_unverified_header(token)["typ"] != "keyfob-identity+jwt":
    sys.exit("not an assertion")
key = jwt.PyJWKClient(f"{origin}/auth/jwks.json").get_signing_key_from_jwt(token)
claims = jwt.decode(
    token,
    key.key,
    algorithms=["ES256"],
    audience=audience,
    issuer=origin,
    options={"require": ["iss", "aud", "sub", "iat", "exp", "jti"]},
)
print(json.dumps(claims))
