"""Authlib, requests-oauthlib and PyJWT with its JWKS client against a running keyfob: client credentials, introspection,
JWKS verification, revocation, and the refresh of a user's token. Arguments: the origin, a client id, its secret, a user
name, its password. Any surprise ends it with an error."""

import os
import sys
import time

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # The test listens on loopback without TLS.

import jwt
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from oauthlib.oauth2 import BackendApplicationClient
from oauthlib.oauth2.rfc6749.errors import InvalidGrantError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

origin, client_id, secret, username, password = sys.argv[1:]
TOKEN, REVOKE, INTROSPECT = (f"{origin}/auth/{name}" for name in ("token", "revoke", "introspect"))


class Validator(JWTBearerTokenValidator):
    """Authlib's check of an RFC 9068 token, as an API does it by itself."""

    def get_jwks(self):
        return requests.get(f"{origin}/auth/jwks.json").json()


def with_authlib(method):
    session = AuthlibSession(client_id, secret, token_endpoint_auth_method=method, scope="api:use")
    token = session.fetch_token(TOKEN, grant_type="client_credentials")
    assert token["scope"] == "api:use", token
    assert session.get(f"{origin}/things").status_code == 200
    access = token["access_token"]
    validator = Validator(issuer=origin, resource_server=origin)
    claims = validator.authenticate_token(access)
    validator.validate_token(claims, ["api:use"], None)
    assert claims["sub"] == claims["client_id"] == client_id, claims
    seen = session.introspect_token(INTROSPECT, token=access).json()
    assert seen["active"] is True and seen["sub"] == client_id, seen
    assert session.revoke_token(REVOKE, token=access).status_code == 200
    assert session.introspect_token(INTROSPECT, token=access).json() == {"active": False}
    assert session.get(f"{origin}/things").status_code == 401


def with_requests_oauthlib(**how):
    client = BackendApplicationClient(client_id=client_id, scope=["api:use"])
    session = OAuth2Session(client=client)
    token = session.fetch_token(TOKEN, **how)["access_token"]
    assert session.get(f"{origin}/things").status_code == 200
    with_pyjwt(token)
    url, headers, body = client.prepare_token_revocation_request(REVOKE, token)
    answer = requests.post(url, data=body, headers=headers, auth=HTTPBasicAuth(client_id, secret))
    assert answer.status_code == 200, answer.text
    assert session.get(f"{origin}/things").status_code == 401


def with_pyjwt(token):
    key = jwt.PyJWKClient(f"{origin}/auth/jwks.json").get_signing_key_from_jwt(token)
    claims = jwt.decode(token, key.key, algorithms=["ES256"], audience=origin, issuer=origin)
    assert claims["sub"] == claims["client_id"] == client_id, claims
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"


def sign_in():
    answer = requests.post(f"{origin}/auth/login", json={"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    return answer.json()


def status(access):
    return requests.get(f"{origin}/things", headers={"Authorization": f"Bearer {access}"}).status_code


def refused(refresh, token):
    """Whether this refresh is refused as the library reports an `invalid_grant` (RFC 6749 section 5.2)."""
    try:
        return not refresh(token)
    except (OAuthError, InvalidGrantError) as error:
        return error.error == "invalid_grant"


def authlib_of_the_user():
    session = AuthlibSession("keyfob", token_endpoint_auth_method="none", revocation_endpoint_auth_method="none")
    revoke = lambda token: session.revoke_token(REVOKE, token=token).raise_for_status()
    return (lambda token: session.refresh_token(TOKEN, refresh_token=token)), revoke


def requests_oauthlib_of_the_user():
    session = OAuth2Session(client_id="keyfob", token={"access_token": "none yet", "token_type": "Bearer"})

    def revoke(token):
        url, headers, body = session._client.prepare_token_revocation_request(
            REVOKE, token, token_type_hint="refresh_token", client_id="keyfob"
        )
        requests.post(url, data=body, headers=headers).raise_for_status()

    return (lambda token: session.refresh_token(TOKEN, refresh_token=token, client_id="keyfob")), revoke


def rotates(refresh, revoke):
    """A refresh, a retry, the next refresh, and the end by revocation. The answer is a spent token and the newest."""
    first = sign_in()
    # A copy: requests-oauthlib puts the next answer into the same object.
    second = dict(refresh(first["refresh_token"]))
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert status(second["access_token"]) == 200
    assert refresh(first["refresh_token"])["refresh_token"] == second["refresh_token"], "as after a lost answer"
    third = dict(refresh(second["refresh_token"]))
    assert third["refresh_token"] != second["refresh_token"]
    other = sign_in()
    revoke(other["refresh_token"])
    assert status(other["access_token"]) == 401
    assert refused(refresh, other["refresh_token"])
    return first, third


def replays(refresh, spent, newest):
    assert status(newest["access_token"]) == 200
    assert refused(refresh, spent["refresh_token"])
    assert status(newest["access_token"]) == 401, "a replay ends the session"
    assert refused(refresh, newest["refresh_token"])


with_authlib("client_secret_basic")
with_authlib("client_secret_post")
with_requests_oauthlib(auth=HTTPBasicAuth(client_id, secret))
with_requests_oauthlib(client_secret=secret, include_client_id=True)
libraries = [authlib_of_the_user(), requests_oauthlib_of_the_user()]
families = [rotates(*library) for library in libraries]
# A predecessor gives its successor again for ten seconds, so a replay can be told only after that.
time.sleep(10.5)
for (refresh, _), (spent, newest) in zip(libraries, families):
    replays(refresh, spent, newest)
print("done")
