// A keyfob client with fetch:  client.mjs ORIGIN sign-in USER < password | get PATH | sign-out
// Here the tokens are kept in the file that TOKENS names, which only its owner may read. In a browser, keep them in memory: what
// is in localStorage, every script of the page can read.
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";

export class Keyfob {
  #refreshing = null;

  constructor(origin, store) {
    Object.assign(this, { origin, store });
  }

  async signIn(username, password) {
    const answer = await fetch(`${this.origin}/auth/login`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username, password }),
    });
    if (!answer.ok) throw new Error(`sign-in: ${answer.status}`);
    this.store.keep(await answer.json());
  }

  async fetch(path, options = {}) {
    const call = () =>
      fetch(this.origin + path, {
        ...options,
        headers: { ...options.headers, Authorization: `Bearer ${this.store.read().access_token}` },
      });
    const answer = await call();
    // Refresh only for this: a permission that is missing is missing with a new token too.
    const refused = answer.headers.get("WWW-Authenticate") ?? "";
    if (answer.status !== 401 || !refused.includes('error="invalid_token"')) return answer;
    // Calls that are refused at once wait for one refresh.
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = null));
    return (await this.#refreshing) ? call() : answer;
  }

  async #refresh() {
    const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: this.store.read().refresh_token });
    const answer = await fetch(`${this.origin}/auth/token`, { method: "POST", body });
    if (answer.ok) this.store.keep(await answer.json());
    return answer.ok;
  }

  async signOut() {
    // The refresh token ends the session, also where the access token has expired.
    const body = new URLSearchParams({ token: this.store.read().refresh_token });
    const answer = await fetch(`${this.origin}/auth/revoke`, { method: "POST", body });
    if (!answer.ok) throw new Error(`sign-out: ${answer.status}`);
    this.store.forget();
  }
}

export function fileStore(file) {
  return {
    read: () => JSON.parse(readFileSync(file, "utf8")),
    keep(tokens) {
      // Replaced whole, so that a crash leaves the old pair or the new one.
      writeFileSync(`${file}.new`, JSON.stringify(tokens), { mode: 0o600 });
      renameSync(`${file}.new`, file);
    },
    forget: () => rmSync(file),
  };
}

const [origin, what, argument] = process.argv.slice(2);
const keyfob = new Keyfob(origin, fileStore(process.env.TOKENS ?? `${homedir()}/.keyfob-tokens.json`));
if (what === "sign-in") await keyfob.signIn(argument, readFileSync(0, "utf8").trimEnd());
if (what === "sign-out") await keyfob.signOut();
if (what === "get") {
  const answer = await keyfob.fetch(argument);
  console.log(answer.status);
  console.log(await answer.text());
}
