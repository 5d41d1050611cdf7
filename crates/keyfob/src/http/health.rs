//! `/auth/health/live`, `/auth/health/ready`, `/metrics`: for operators, on the internal listener only.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Response, StatusCode};

use super::problem::{self, HttpError};
use crate::app::App;
use crate::body::Body;

/// A page of the internal listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// The process answers.
    Live,
    /// It can decide, and is not about to stop: its store answers and its feed is applied; of nodes that share a store, it
    /// holds a lease.
    Ready,
    /// OpenMetrics text.
    Metrics,
}

pub(crate) async fn answer(app: &App, page: Page, method: &Method) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        return HttpError::MethodNotAllowed("GET, HEAD").into_response();
    }
    match page {
        Page::Live => problem::json(StatusCode::OK, Bytes::from_static(br#"{"status":"live"}"#)),
        Page::Ready => match app.store().revision().await {
            Ok(newest)
                if !leaving(app)
                    && leased(app)
                    && clock_in_the_way(app).is_none()
                    && app.applied.reached_here(newest).await =>
            {
                problem::json(StatusCode::OK, Bytes::from_static(br#"{"status":"ready"}"#))
            }
            _ => not_ready(app),
        },
        Page::Metrics => {
            let mut response = problem::json(StatusCode::OK, Bytes::from(app.metrics.text(app)));
            let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
            response
        }
    }
}

fn leaving(app: &App) -> bool {
    app.leaving.load(Ordering::Acquire)
}

fn leased(app: &App) -> bool {
    app.node.as_ref().is_none_or(|node| node.holds_lease())
}

/// Why, where somebody has to do something: told here, to operators, and nowhere else.
fn not_ready(app: &App) -> Response<Body> {
    match (closed(app), clock_in_the_way(app)) {
        (Some(why), _) => problem::problem(503, "store-closed", &why),
        (None, Some(why)) => problem::problem(503, "clock-skew", &why),
        (None, None) => HttpError::CannotTell.into_response(),
    }
}

fn clock_in_the_way(app: &App) -> Option<String> {
    app.node.as_ref().and_then(|node| node.skew.in_the_way())
}

/// Why nothing is decided until an operator has done something.
fn closed(app: &App) -> Option<String> {
    let closed = app.store().nodes().and_then(keyfob_store::Nodes::closed);
    closed
        .map(|why| format!("{why}; put the right one back, or accept this one with `keyfob restore --accept-rollback`"))
}
