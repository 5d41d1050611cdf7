// openid-client and oauth4webapi against a running keyfob: discovery, client credentials, introspection, JWKS
// verification, revocation, and the refresh of a user's token. Arguments: the origin, a client id, its secret, a user
// name, its password. Any surprise ends it with an error.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The modules are where `cargo xtask prepare` put them, which is not beside this file.
const world = createRequire(`${process.cwd()}/package.json`);
const load = (name) => import(pathToFileURL(world.resolve(name)));
const oauth = await load("oauth4webapi");
const openid = await load("openid-client");

const [origin, id, secret, username, password] = process.argv.slice(2);
const issuer = new URL(origin);
// A predecessor gives its successor again for ten seconds, so a replay can be told only after that.
const window = () => new Promise((resolve) => setTimeout(resolve, 10_500));
const invalidGrant = (error) => error.error === "invalid_grant" && error.status === 400;
const plain = { [oauth.allowInsecureRequests]: true };

async function withOauth4webapi(auth) {
  const found = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...plain });
  const server = await oauth.processDiscoveryResponse(issuer, found);
  const client = { client_id: id };
  const granted = await oauth.clientCredentialsGrantRequest(server, client, auth, { scope: "api:use" }, plain);
  const { access_token: token, scope } = await oauth.processClientCredentialsResponse(server, client, granted);
  assert.equal(scope, "api:use");

  const request = new Request(`${origin}/things`, { headers: { authorization: `Bearer ${token}` } });
  const claims = await oauth.validateJwtAccessToken(server, request, origin, plain);
  assert.deepEqual([claims.sub, claims.client_id], [id, id]);

  const look = async () => {
    const answer = await oauth.introspectionRequest(server, client, auth, token, plain);
    return oauth.processIntrospectionResponse(server, client, answer);
  };
  const seen = await look();
  assert.deepEqual([seen.active, seen.sub, seen.iss, seen.aud], [true, id, origin, origin]);
  await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, auth, token, plain));
  assert.deepEqual(await look(), { active: false });
  assert.equal((await fetch(request)).status, 401);
}

async function resource() {
  const found = await oauth.resourceDiscoveryRequest(issuer, plain);
  const metadata = await oauth.processResourceDiscoveryResponse(issuer, found);
  assert.deepEqual(metadata.authorization_servers, [origin]);
  const challenge = (await fetch(`${origin}/things`)).headers.get("www-authenticate");
  assert.ok(challenge.includes(`resource_metadata="${origin}/.well-known/oauth-protected-resource"`), challenge);
}

async function withOpenidClient() {
  const options = { algorithm: "oauth2", execute: [openid.allowInsecureRequests] };
  const config = await openid.discovery(issuer, id, undefined, openid.ClientSecretBasic(secret), options);
  const { access_token: token } = await openid.clientCredentialsGrant(config, { scope: "api:use" });
  assert.equal((await openid.tokenIntrospection(config, token)).active, true);
  await openid.tokenRevocation(config, token);
  assert.equal((await openid.tokenIntrospection(config, token)).active, false);
  const wrong = await openid.discovery(issuer, id, undefined, openid.ClientSecretPost("wrong"), options);
  await assert.rejects(openid.clientCredentialsGrant(wrong), (error) => error.error === "invalid_client");
}

async function signIn() {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${origin}/auth/login`, { method: "POST", headers, body: JSON.stringify({ username, password }) });
  assert.equal(answer.status, 200);
  return answer.json();
}

const status = async (token) =>
  (await fetch(`${origin}/things`, { headers: { authorization: `Bearer ${token}` } })).status;

// Every library's refresh, asked the same: `refresh(token)` answers as RFC 6749 says or throws what the library throws,
// `introspect(token)` is asked by the service account, and `revoke(token)` by the public client.
async function refreshes({ refresh, introspect, revoke }) {
  const first = await signIn();
  const second = await refresh(first.refresh_token);
  assert.notEqual(second.refresh_token, first.refresh_token);
  assert.notEqual(second.access_token, first.access_token);
  assert.equal(await status(second.access_token), 200);
  assert.equal((await refresh(first.refresh_token)).refresh_token, second.refresh_token, "a retry, as after a lost answer");
  const third = await refresh(second.refresh_token);
  assert.notEqual(third.refresh_token, second.refresh_token);
  const seen = await introspect(third.refresh_token);
  assert.deepEqual([seen.active, seen.username, seen.client_id], [true, username, "keyfob"]);

  const other = await signIn();
  await revoke(other.refresh_token);
  assert.equal((await introspect(other.refresh_token)).active, false);
  assert.equal(await status(other.access_token), 401);
  await assert.rejects(refresh(other.refresh_token), invalidGrant);

  await window();
  assert.equal(await status(third.access_token), 200);
  await assert.rejects(refresh(first.refresh_token), invalidGrant);
  assert.equal(await status(third.access_token), 401, "a replay ends the session");
  await assert.rejects(refresh(third.refresh_token), invalidGrant);
}

async function refreshesWithOauth4webapi() {
  const found = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...plain });
  const server = await oauth.processDiscoveryResponse(issuer, found);
  const [user, robot] = [{ client_id: "keyfob" }, { client_id: id }];
  const [none, basic] = [oauth.None(), oauth.ClientSecretBasic(secret)];
  await refreshes({
    refresh: async (token) => {
      const answer = await oauth.refreshTokenGrantRequest(server, user, none, token, plain);
      return oauth.processRefreshTokenResponse(server, user, answer);
    },
    introspect: async (token) => {
      const answer = await oauth.introspectionRequest(server, robot, basic, token, plain);
      return oauth.processIntrospectionResponse(server, robot, answer);
    },
    revoke: async (token) =>
      oauth.processRevocationResponse(await oauth.revocationRequest(server, user, none, token, plain)),
  });
}

async function refreshesWithOpenidClient() {
  const options = { algorithm: "oauth2", execute: [openid.allowInsecureRequests] };
  const user = await openid.discovery(issuer, "keyfob", undefined, openid.None(), options);
  const robot = await openid.discovery(issuer, id, undefined, openid.ClientSecretPost(secret), options);
  await refreshes({
    refresh: (token) => openid.refreshTokenGrant(user, token),
    introspect: (token) => openid.tokenIntrospection(robot, token),
    revoke: (token) => openid.tokenRevocation(user, token),
  });
}

await withOauth4webapi(oauth.ClientSecretBasic(secret));
await withOauth4webapi(oauth.ClientSecretPost(secret));
await resource();
await withOpenidClient();
await Promise.all([refreshesWithOauth4webapi(), refreshesWithOpenidClient()]);
console.log("done");
