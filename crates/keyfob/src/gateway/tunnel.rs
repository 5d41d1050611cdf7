//! The WebSocket protocol (RFC 6455): its handshake is authorised like any request, and only after the API's 101 do the two
//! connections become one tunnel. A tunnel is cut when its caller is no longer allowed. Its bytes are never read.

use std::sync::Arc;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Response};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use super::StillAllowed;
use super::pace::BEAT;
use crate::body::Body;
use crate::framing::lists;

/// Whether a 101 of the API agrees to a WebSocket and to nothing else.
pub(super) fn agreed(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(UPGRADE).iter();
    values.next().is_some_and(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket"))
        && values.next().is_none()
        && headers.get_all(CONNECTION).iter().any(|value| lists(value.as_bytes(), "upgrade"))
}

/// Pass the 101 on and join the two connections once both have switched.
pub(super) fn open(
    mut response: Response<Incoming>,
    client: OnUpgrade,
    alive: Arc<dyn StillAllowed>,
) -> Response<Body> {
    let upstream = hyper::upgrade::on(&mut response);
    tokio::spawn(async move {
        if let Err(error) = join(client, upstream, alive).await {
            tracing::debug!(%error, "a tunnel broke");
        }
    });
    let (mut parts, _) = response.into_parts();
    super::header::to_client(&mut parts.headers);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    parts.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    Response::from_parts(parts, Body::empty())
}

async fn join(
    client: OnUpgrade,
    upstream: OnUpgrade,
    alive: Arc<dyn StillAllowed>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (client, upstream) = tokio::try_join!(client, upstream)?;
    let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
    let mut copy = std::pin::pin!(copy_bidirectional(&mut client, &mut upstream));
    loop {
        // Each wait is a whole beat whatever the traffic, because the inner future keeps its own state.
        if let Ok(done) = tokio::time::timeout(BEAT, &mut copy).await {
            done?;
            return Ok(());
        }
        if !alive.still_allowed() {
            return Ok(());
        }
    }
}
