//! A service that follows its keyfob: no remote call for a request, and a revocation is acknowledged there only when it is
//! refused here. Its client needs the scope `keyfob:follow`.
//!
//! ```text
//! ISSUER=http://127.0.0.1:8080 CLIENT_ID=… CLIENT_SECRET=… cargo run -p keyfob-tower --example follow
//! ```

#![expect(clippy::print_stdout, reason = "a program says where it listens")]

use std::error::Error;

use axum::Router;
use axum::routing::get;
use keyfob_tower::extract::Caller;
use keyfob_tower::issuer::Issuer;
use keyfob_tower::scope::RequireScope;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name: &str| std::env::var(name).map_err(|_| format!("set {name}"));
    let issuer = Issuer::at(&setting("ISSUER")?)?.client(&setting("CLIENT_ID")?, &setting("CLIENT_SECRET")?);
    // Where it is reached at another address than its `public-url`.
    let issuer = if let Ok(name) = setting("ISSUER_NAME") { issuer.named(&name) } else { issuer };
    let guard = issuer.follow().await?;
    let app = guard.around(
        Router::new()
            .route("/hello", get(hello))
            .route("/things/{id}", get(async || "a thing").layer(RequireScope::new("api:use")?)),
    );

    let listener = TcpListener::bind(setting("LISTEN").unwrap_or("127.0.0.1:0".to_owned())).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Any caller.
async fn hello(caller: Caller) -> String {
    format!("hello {}", caller.username().map_or_else(|| String::from_utf8_lossy(caller.subject()), Into::into))
}
