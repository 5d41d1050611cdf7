// openid-client and oauth4webapi against a running keyfob: discovery, client credentials, introspection, JWKS
// verification and revocation. Arguments: the origin, a client id, its secret. Any surprise ends it with an error.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The modules are where `cargo xtask prepare` put them, which is not beside this file.
const world = createRequire(`${process.cwd()}/package.json`);
const load = (name) => import(pathToFileURL(world.resolve(name)));
const oauth = await load("oauth4webapi");
const openid = await load("openid-client");

const [origin, id, secret] = process.argv.slice(2);
const issuer = new URL(origin);
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

await withOauth4webapi(oauth.ClientSecretBasic(secret));
await withOauth4webapi(oauth.ClientSecretPost(secret));
await resource();
await withOpenidClient();
console.log("done");
