"""Authlib, requests-oauthlib and PyJWT with its JWKS client against a running keyfob: client credentials, introspection,
JWKS verification and revocation. Arguments: the origin, a client id, its secret. Any surprise ends it with an error."""

import os
import sys

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # The test listens on loopback without TLS.

import jwt
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import BackendApplicationClient
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

origin, client_id, secret = sys.argv[1:]
TOKEN, REVOKE, INTROSPECT = (f"{origin}/auth/{name}" for name in ("token", "revoke", "introspect"))


def with_authlib(method):
    session = AuthlibSession(client_id, secret, token_endpoint_auth_method=method, scope="api:use")
    token = session.fetch_token(TOKEN, grant_type="client_credentials")
    assert token["scope"] == "api:use", token
    assert session.get(f"{origin}/things").status_code == 200
    access = token["access_token"]
    seen = session.introspect_token(INTROSPECT, token=access).json()
    assert seen["active"] is True and seen["sub"] == client_id, seen
    assert session.revoke_token(REVOKE, token=access).status_code == 200
    assert session.introspect_token(INTROSPECT, token=access).json() == {"active": False}
    assert session.get(f"{origin}/things").status_code == 401


def with_requests_oauthlib(**how):
    session = OAuth2Session(client=BackendApplicationClient(client_id=client_id, scope=["api:use"]))
    token = session.fetch_token(TOKEN, **how)
    assert session.get(f"{origin}/things").status_code == 200
    return token["access_token"]


def with_pyjwt(token):
    key = jwt.PyJWKClient(f"{origin}/auth/jwks.json").get_signing_key_from_jwt(token)
    claims = jwt.decode(token, key.key, algorithms=["ES256"], audience=origin, issuer=origin)
    assert claims["sub"] == claims["client_id"] == client_id, claims
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"


with_authlib("client_secret_basic")
with_authlib("client_secret_post")
with_pyjwt(with_requests_oauthlib(auth=HTTPBasicAuth(client_id, secret)))
with_pyjwt(with_requests_oauthlib(client_secret=secret, include_client_id=True))
print("done")
