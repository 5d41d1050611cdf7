// npm oidc-provider with one client: opaque tokens of client_credentials (RFC 6749 section 4.4) in its in-memory store,
// and introspection (RFC 7662). Arguments: the port, the client's id, its secret.
import { Provider } from "oidc-provider";

const [port, id, secret] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: id,
    client_secret: secret,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: "client_secret_basic",
  }],
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    devInteractions: { enabled: false },
  },
  ttl: { ClientCredentials: 3600 },
});
provider.listen(Number(port), "127.0.0.1");
