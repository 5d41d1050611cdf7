//! The two documents by which a program finds the endpoints: authorization server (RFC 8414) and protected resource
//! (RFC 9728). Made once, from `public-url` alone: nothing a request says, its `Host` least of all, changes a byte of
//! them (RFC 8414 §3.3: the issuer in the document is the one it was fetched for).

use bytes::Bytes;
use serde_json::{Value, json};

/// The well-known path of RFC 8414 §3.
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
/// The well-known path of RFC 9728 §3.
const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
/// Both documents, as bytes.
pub struct Metadata {
    /// Where the RFC 9728 document is: every Bearer challenge names it (§5.1).
    pub address: String,
    authorization_server: Bytes,
    protected_resource: Bytes,
}

impl Metadata {
    /// The documents of the installation whose origin is `public_url`, its endpoints under `prefix`.
    #[must_use]
    pub fn of(public_url: &str, prefix: &str) -> Self {
        Self {
            address: format!("{public_url}{PROTECTED_RESOURCE}"),
            authorization_server: Bytes::from(authorization_server(public_url, prefix).to_string()),
            protected_resource: Bytes::from(protected_resource(public_url).to_string()),
        }
    }

    /// One of them.
    pub(crate) fn document(&self, document: Document) -> Bytes {
        match document {
            Document::AuthorizationServer => self.authorization_server.clone(),
            Document::ProtectedResource => self.protected_resource.clone(),
        }
    }
}

/// RFC 8414 §2. There is no authorization endpoint, so no response type. First-party sign-in is no part of OAuth.
fn authorization_server(public_url: &str, prefix: &str) -> Value {
    let at = |path: &str| format!("{public_url}{prefix}{path}");
    json!({
        "issuer": public_url,
        "token_endpoint": at("/token"),
        "revocation_endpoint": at("/revoke"),
        "introspection_endpoint": at("/introspect"),
        "jwks_uri": at("/jwks.json"),
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "Bearer"],
    })
}

/// RFC 9728 §2: the API behind and its keyfob are one resource.
fn protected_resource(public_url: &str) -> Value {
    json!({
        "resource": public_url,
        "authorization_servers": [public_url],
        "bearer_methods_supported": ["header"],
    })
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    AuthorizationServer,
    ProtectedResource,
}

impl Document {
    /// The document at exactly this path.
    pub(crate) fn at(path: &str) -> Option<Self> {
        match path {
            AUTHORIZATION_SERVER => Some(Self::AuthorizationServer),
            PROTECTED_RESOURCE => Some(Self::ProtectedResource),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_has_the_members_that_its_rfc_requires_and_no_empty_one() {
        let url = "https://api.example";
        let (server, resource) = (authorization_server(url, "/auth"), protected_resource(url));
        for (document, required) in [
            (&server, &["issuer", "token_endpoint", "jwks_uri", "response_types_supported"][..]),
            (&resource, &["resource", "authorization_servers", "bearer_methods_supported"][..]),
        ] {
            let members = document.as_object().unwrap();
            assert!(required.iter().all(|name| members.contains_key(*name)), "{document}");
            // RFC 8414 §3.2, RFC 9728 §3.2. A list that is REQUIRED and has nothing to list is the exception.
            let empty = members.iter().filter(|(_, value)| matches!(value, Value::Array(list) if list.is_empty()));
            assert!(empty.into_iter().all(|(name, _)| name == "response_types_supported"), "{document}");
            // RFC 8414 §2: required with the methods that sign, and there are none.
            assert!(!members.keys().any(|name| name.ends_with("signing_alg_values_supported")), "{document}");
        }
        for endpoint in ["token_endpoint", "revocation_endpoint", "introspection_endpoint", "jwks_uri"] {
            assert!(server[endpoint].as_str().unwrap().starts_with("https://api.example/auth/"), "{endpoint}");
        }
        // RFC 8414 §2: without it, the default would be grants that are not here.
        assert_eq!(server["grant_types_supported"], json!(["client_credentials", "refresh_token"]));
        for (endpoint, last) in [("token", "none"), ("revocation", "none"), ("introspection", "Bearer")] {
            let methods = &server[format!("{endpoint}_endpoint_auth_methods_supported")];
            assert_eq!(methods, &json!(["client_secret_basic", "client_secret_post", last]), "{endpoint}");
        }
        assert_eq!(resource["bearer_methods_supported"], json!(["header"]));
    }

    #[test]
    fn only_the_two_exact_paths_are_keyfobs() {
        assert_eq!(Document::at(AUTHORIZATION_SERVER), Some(Document::AuthorizationServer));
        assert_eq!(Document::at(PROTECTED_RESOURCE), Some(Document::ProtectedResource));
        for path in [
            "/.well-known/",
            "/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server/",
            "/.well-known/oauth-authorization-server/tenant",
            "/.well-known/OAuth-Authorization-Server",
            "/x/.well-known/oauth-protected-resource",
        ] {
            assert_eq!(Document::at(path), None, "{path}");
        }
    }
}
