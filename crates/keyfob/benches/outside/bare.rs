//! What is measured against: a server on hyper that decides nothing, and the password hash by itself.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use keyfob_core::password::{Cost, Hasher, Password};
use tokio::net::TcpListener;

use super::say;
use super::support::clock;

/// Hashes for one median.
const HASHES: usize = 60;
const SALT: [u8; 16] = [7; 16];

/// Serve on a free port until killed. `check`: the headers of an allowed check; `api`: a small JSON document.
pub fn serve(kind: &str) {
    let check = kind == "check";
    // The same runtime as the program's own: as many workers as there are cores to run on.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async move {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port");
        say(&format!("listening on {}", listener.local_addr().expect("an address")));
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let mut server = auto::Builder::new(TokioExecutor::new());
                server.http1().timer(TokioTimer::new()).pipeline_flush(true);
                let answer = service_fn(move |_: Request<Incoming>| async move { Ok::<_, Infallible>(answer(check)) });
                let _ = server.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
}

fn answer(check: bool) -> Response<Full<Bytes>> {
    if !check {
        let response = Response::builder().header("content-type", "application/json");
        return response.body(Full::from(r#"{"things":[1,2,3],"name":"a small document"}"#)).expect("a response");
    }
    Response::builder()
        .header("x-auth-user", "user0001")
        .header("x-auth-subject", "0193a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b")
        .header("x-auth-roles", "caller")
        .header("x-auth-scope", "api:use")
        .header("cache-control", "no-store")
        .body(Full::default())
        .expect("a response")
}

/// Print the median time of one hash with the program's own library and cost, in microseconds.
pub fn argon2() {
    let mut hasher = Hasher::new(Cost::default());
    let password = Password::parse("seven violet kettles drumming").expect("a good password");
    let mut times: Vec<u128> = (0..HASHES)
        .map(|_| {
            let start = clock::now();
            std::hint::black_box(hasher.hash(&password, &SALT).expect("a hash"));
            start.elapsed().as_micros()
        })
        .collect();
    times.sort_unstable();
    say(&times[HASHES / 2].to_string());
}
