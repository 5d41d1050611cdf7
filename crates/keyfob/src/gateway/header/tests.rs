use std::net::Ipv4Addr;

use super::*;

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::from_bytes(name.as_bytes()).expect("a name"), value.parse().expect("a value"));
    }
    headers
}

fn stripped(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = map(fields);
    strip_request(&mut headers, false);
    headers
}

#[test]
fn what_connection_names_ends_at_this_hop() {
    let headers = stripped(&[
        ("connection", "close, X-Private"),
        ("connection", "x-other"),
        ("x-private", "1"),
        ("x-other", "2"),
        ("accept", "*/*"),
    ]);
    assert_eq!(headers, map(&[("accept", "*/*")]));
}

#[test]
fn the_id_of_a_request_cannot_be_named_away() {
    let headers = stripped(&[("connection", "X-Request-Id, x-own"), ("x-own", "1"), ("x-request-id", "7")]);
    assert_eq!(headers, map(&[("x-request-id", "7")]));
}

#[test]
fn hop_by_hop_fields_go_in_every_spelling() {
    for name in [
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "TE",
        "Transfer-Encoding",
        "Upgrade",
        "HTTP2-Settings",
        "Expect",
        "Transfer_Encoding",
        "transfer.encoding",
        "Content_Length",
        "Proxy_Connection",
        "transfer~encoding",
        "X_Request.Id",
    ] {
        assert_eq!(stripped(&[(name, "x"), ("accept", "*/*")]), map(&[("accept", "*/*")]), "{name}");
    }
}

#[test]
fn what_only_keyfob_may_say_goes_in_every_spelling() {
    for name in [
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-User",
        "X_Forwarded_Host",
        "X.Forwarded.Proto",
        "X-Forwarded",
        "X-Real-IP",
        "X-HTTP-Method",
        "X-HTTP-Method-Override",
        "X_Method_Override",
        "X-Original-URL",
        "X_Rewrite_URL",
    ] {
        assert_eq!(stripped(&[(name, "x"), ("accept", "*/*")]), map(&[("accept", "*/*")]), "{name}");
    }
}

#[test]
fn what_belongs_to_both_ends_passes() {
    let fields = [
        ("content-length", "4"),
        ("content-type", "a/b"),
        ("cookie", "a=b"),
        ("trailer", "x-sum"),
        ("x-forward", "1"),
        ("x-request-id", "7"),
        ("expectation", "1"),
        ("upgrade-insecure-requests", "1"),
        ("accept-encoding", "br"),
    ];
    assert_eq!(stripped(&fields), map(&fields));
}

#[test]
fn authorization_stays_only_where_the_route_says_so() {
    let mut headers = map(&[("authorization", "Bearer x")]);
    strip_request(&mut headers, true);
    assert_eq!(headers, map(&[("authorization", "Bearer x")]));
    strip_request(&mut headers, false);
    assert_eq!(headers, HeaderMap::new());
}

#[test]
fn of_te_only_trailers_goes_on() {
    let headers = stripped(&[("te", "gzip, Trailers;q=1"), ("te", "trailers"), ("connection", "te")]);
    assert_eq!(headers, map(&[("te", "trailers"), ("connection", "te")]));
    assert_eq!(stripped(&[("te", "gzip"), ("connection", "te")]), HeaderMap::new());
}

#[test]
fn cookie_crumbs_become_one_field() {
    let mut headers = map(&[("cookie", "a=1"), ("cookie", "b=2")]);
    join_cookies(&mut headers);
    assert_eq!(headers, map(&[("cookie", "a=1; b=2")]));
}

fn facts(client: &ClientInfo) -> Facts<'_> {
    Facts {
        client,
        caller: None,
        forward_authorization: false,
        websocket: false,
        chunked: false,
        host: None,
        judged_host: "api.example",
    }
}

#[test]
fn the_client_is_named_by_keyfob_alone() {
    let mut client = ClientInfo {
        address: Ipv4Addr::new(192, 0, 2, 7).into(),
        forwarded_for: None,
        proto: "https",
        assertion: None,
        host: Some(HeaderValue::from_static("public.example")),
    };
    let mut headers = HeaderMap::new();
    set_forwarded(&mut headers, &facts(&client));
    let expected =
        [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "public.example")];
    assert_eq!(headers, map(&expected));
    client.forwarded_for = Some(HeaderValue::from_static("198.51.100.1, 192.0.2.7"));
    set_forwarded(&mut headers, &facts(&client));
    assert_eq!(headers["x-forwarded-for"], "198.51.100.1, 192.0.2.7");
}

#[test]
fn a_host_that_came_in_authority_is_told_like_any_other() {
    // HTTP/2 has no `Host` field to pass on (RFC 9113 §8.3.1).
    let client = ClientInfo {
        address: Ipv4Addr::LOCALHOST.into(),
        forwarded_for: None,
        proto: "https",
        assertion: None,
        host: None,
    };
    let mut headers = HeaderMap::new();
    to_upstream(&mut headers, &facts(&client));
    assert_eq!(headers.get(FORWARDED_HOST), Some(&HeaderValue::from_static("api.example")));
}

#[test]
fn the_judged_host_is_the_forwarded_host() {
    let client = ClientInfo {
        address: Ipv4Addr::LOCALHOST.into(),
        forwarded_for: None,
        proto: "http",
        assertion: None,
        host: None,
    };
    let own = HeaderValue::from_static("upstream.internal");
    let mut facts = facts(&client);
    let mut headers = map(&[("host", "other.example")]);
    set_host(&mut headers, &facts);
    assert_eq!(headers, map(&[("host", "api.example")]));
    facts.host = Some(&own);
    set_host(&mut headers, &facts);
    assert_eq!(headers, map(&[("host", "upstream.internal")]));
}

#[test]
fn an_answer_loses_its_hop_by_hop_fields_and_nothing_else() {
    let mut headers = map(&[
        ("connection", "keep-alive, x-hop"),
        ("keep-alive", "timeout=5"),
        ("x-hop", "1"),
        ("transfer-encoding", "chunked"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("content-encoding", "gzip"),
        ("trailer", "x-sum"),
    ]);
    to_client(&mut headers);
    let expected = [
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("content-encoding", "gzip"),
        ("trailer", "x-sum"),
        ("cache-control", "private"),
    ];
    assert_eq!(headers, map(&expected));
}

#[test]
fn an_answer_keeps_its_own_cache_control() {
    let mut headers = map(&[("cache-control", "public, max-age=60")]);
    to_client(&mut headers);
    assert_eq!(headers, map(&[("cache-control", "public, max-age=60")]));
}

#[test]
fn an_address_is_written_as_the_library_writes_it() {
    for address in ["0.0.0.0", "1.20.99.100", "127.0.0.1", "255.255.255.255", "10.9.109.200", "::1", "2001:db8::7"] {
        let address: IpAddr = address.parse().expect("an address");
        assert_eq!(address_value(address).expect("a value"), address.to_string());
    }
}
