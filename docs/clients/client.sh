#!/usr/bin/env bash
# A keyfob client with curl:  client.sh ORIGIN sign-in USER < password | get PATH | sign-out
# The tokens are kept in the file that TOKENS names, which only its owner may read. No token or password is ever an argument: the
# list of processes would show it.
set -eu -o pipefail
origin=$1 what=$2 tokens=${TOKENS:-$HOME/.keyfob-tokens.json}
umask 077

member() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$tokens" "$1"; }
# What curl must not be told on its command line, as a configuration on its standard input.
header() { printf 'header = "Authorization: Bearer %s"\n' "$(member access_token)"; }
# Replaced whole, so that a crash leaves the old pair or the new one.
keep() { cat > "$tokens.new" && mv "$tokens.new" "$tokens"; }

call() { header | curl -sS -K - -o "$tokens.body" -D "$tokens.head" -w '%{http_code}' "$origin$1"; }

refresh() {
  printf 'data-urlencode = "refresh_token=%s"\n' "$(member refresh_token)" |
    curl -sS --fail -K - -d grant_type=refresh_token "$origin/auth/token" | keep
}

case $what in
  sign-in)
    tr -d '\n' | curl -sS --fail --data-urlencode "username=$3" --data-urlencode password@- "$origin/auth/login" | keep ;;
  get)
    status=$(call "$3")
    # Refresh only for this: a permission that is missing is missing with a new token too.
    if [ "$status" = 401 ] && grep -qi '^www-authenticate:.*error="invalid_token"' "$tokens.head"; then
      refresh
      status=$(call "$3")
    fi
    echo "$status"
    cat "$tokens.body"
    rm -f "$tokens.body" "$tokens.head" ;;
  sign-out)
    # The refresh token ends the session, also where the access token has expired.
    printf 'data-urlencode = "token=%s"\n' "$(member refresh_token)" | curl -sS --fail -K - "$origin/auth/revoke"
    rm -f "$tokens" ;;
esac
