"""A keyfob client with httpx:  client.py ORIGIN sign-in USER < password | get PATH | sign-out

The tokens are kept in the file that TOKENS names, which only its owner may read.
"""

import json
import os
import sys
from pathlib import Path

import httpx


class Keyfob(httpx.Auth):
    """Sends the access token, and refreshes it when it is refused as invalid: for nothing else, or a missing permission
    would make it refresh for ever."""

    def __init__(self, origin, store):
        self.origin, self.store = origin, Path(store)

    def sign_in(self, username, password):
        answer = httpx.post(f"{self.origin}/auth/login", json={"username": username, "password": password})
        self._keep(answer.raise_for_status().json())

    def sign_out(self):
        # The refresh token ends the session, also where the access token has expired.
        httpx.post(f"{self.origin}/auth/revoke", data={"token": self._tokens()["refresh_token"]}).raise_for_status()
        self.store.unlink()

    def auth_flow(self, request):
        request.headers["Authorization"] = f"Bearer {self._tokens()['access_token']}"
        answer = yield request
        if answer.status_code == 401 and 'error="invalid_token"' in answer.headers.get("www-authenticate", ""):
            pair = {"grant_type": "refresh_token", "refresh_token": self._tokens()["refresh_token"]}
            refreshed = yield httpx.Request("POST", f"{self.origin}/auth/token", data=pair)
            refreshed.read()
            if refreshed.status_code != 200:
                return  # The session has ended: the caller sees the 401, and signs in again.
            self._keep(refreshed.json())
            request.headers["Authorization"] = f"Bearer {self._tokens()['access_token']}"
            yield request

    def _tokens(self):
        return json.loads(self.store.read_text())

    def _keep(self, tokens):
        # Replaced whole, so that a crash leaves the old pair or the new one.
        fresh = self.store.with_suffix(".new")
        with open(os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
            json.dump(tokens, file)
        fresh.replace(self.store)


if __name__ == "__main__":
    origin, what, *rest = sys.argv[1:]
    keyfob = Keyfob(origin, os.environ.get("TOKENS", Path.home() / ".keyfob-tokens.json"))
    if what == "sign-in":
        keyfob.sign_in(rest[0], sys.stdin.readline().rstrip("\n"))
    elif what == "get":
        answer = httpx.get(f"{origin}{rest[0]}", auth=keyfob)
        print(answer.status_code)
        print(answer.text)
    elif what == "sign-out":
        keyfob.sign_out()
