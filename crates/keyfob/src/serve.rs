//! Start, listen, reload, drain, stop. Wires the parts together and answers nothing itself.

pub mod listener;
mod problem;
mod reload;
pub mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use keyfob_core::access_token::{Profile, SessionTagger};
use keyfob_core::api_key::Mint;
use keyfob_core::lease::Terms;
use keyfob_core::password::{Rules, dummy_hash};
use keyfob_store::{Audit, Store, StoreError};
use keyfob_tower::cache::FactCache;
use keyfob_tower::refusal::Style;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::app::App;
use crate::attempt::Attempts;
use crate::clock;
use crate::config::{Ack, Settings, Tls};
use crate::control;
use crate::desk;
use crate::failed_signatures::FailedSignatures;
use crate::feed::{self, Applied};
use crate::front::Front;
use crate::gateway::Gateway;
use crate::hashing::HashingPool;
use crate::keys::Keys;
use crate::metadata::Metadata;
use crate::metrics::Metrics;
use crate::node::{self, Node};
use crate::peers::Peers;
use crate::rotation;
use crate::skew::Skew;
use crate::verify::{Retirements, StoreVerifier};
use listener::{Door, Opening};

pub use problem::ServeProblem;

/// A running keyfob.
pub struct Running {
    /// Where clients connect.
    pub public: SocketAddr,
    /// Where operators and proxies connect.
    pub internal: SocketAddr,
    /// Whether `public` speaks TLS.
    pub secure: bool,
    app: Arc<App>,
    stop: watch::Sender<bool>,
    listeners: Vec<JoinHandle<()>>,
    feed: JoinHandle<()>,
    background: Vec<JoinHandle<()>>,
    tls: Option<Arc<tls::Reloadable>>,
    control: control::Listening,
    // Held to the end: the store has one owner.
    _hold: control::Hold,
}

/// Start everything, or say what is in the way.
///
/// # Errors
/// [`ServeProblem`], before anything is answered.
pub async fn start(settings: Settings) -> Result<Running, ServeProblem> {
    problem::check_exposure(&settings)?;
    let tls = match &settings.tls {
        Tls::Files { certificate, key } => Some(Arc::new(tls::Reloadable::load(certificate, key)?)),
        Tls::Loopback | Tls::TerminatedUpstream => None,
    };
    let public = bind(settings.listen).await?;
    let internal = bind(settings.internal_listen).await?;
    let (public_address, internal_address) = (public.local_addr()?, internal.local_addr()?);
    let control::OpenStore { store, tagger, mint, hold, .. } = control::open(&settings).await?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let public_url = public_url(&*store, &settings, &format!("{scheme}://{public_address}")).await?;
    if let Some(file) = &settings.policy {
        reload::import_policy_at_start(&*store, file).await?;
    }
    let gateway = Gateway::of(&settings)?;
    let app = Arc::new(app(settings, store, (tagger, mint), &public_url).await?);

    let (stop, stopped) = watch::channel(false);
    let front = Arc::new(Front { app: Arc::clone(&app), gateway });
    let proxies = app.settings.proxy_protocol.then(|| app.settings.trusted_proxies.as_slice().into());
    let run = |listener, door, opening: Opening| {
        let front = Arc::clone(&front);
        let limits = app.settings.limits.clone();
        tokio::spawn(listener::run(listener, door, opening, limits, front, stopped.clone(), app.settings.drain))
    };
    let opening = Opening { proxies, tls: tls.clone() };
    let listeners = vec![run(public, Door::Public, opening), run(internal, Door::Internal, Opening::default())];
    let feed = match &app.node {
        Some(node) => tokio::spawn(node::keep(Arc::clone(&app), Arc::clone(node))),
        None => tokio::spawn(feed::follow(Arc::clone(&app))),
    };
    let mut background = vec![
        tokio::spawn(reload::watch(Arc::clone(&app), tls.clone())),
        tokio::spawn(node::write_down(Arc::clone(&app))),
    ];
    if !app.settings.guard_only {
        background.extend([
            tokio::spawn(reload::sweep(Arc::clone(&app))),
            tokio::spawn(rotation::run(Arc::clone(&app))),
            tokio::spawn(reload::flush_uses(Arc::clone(&app))),
        ]);
    }
    let control = control::listen(&hold, desk::of(&app))?;
    Ok(Running {
        public: public_address,
        internal: internal_address,
        secure: tls.is_some(),
        app,
        stop,
        listeners,
        feed,
        background,
        tls,
        control,
        _hold: hold,
    })
}

impl Running {
    /// Serve on, but say that it is not ready: balancers look elsewhere before anything is refused. It keeps its lease, so
    /// no acknowledgement waits for it.
    pub fn leave(&self) {
        self.app.leaving.store(true, Ordering::Release);
    }

    /// Stop accepting, let open requests finish, then close.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for listener in self.listeners {
            let _ = listener.await;
        }
        self.control.stop().await;
        for task in self.background.into_iter().chain([self.feed]) {
            task.abort();
        }
        // Before the row goes, by which others know that leases were given here.
        self.app.applied.following.run_out().await;
        if let (Some(node), Some(nodes)) = (&self.app.node, self.app.store().nodes())
            && let Err(error) = node.leave(nodes).await
        {
            tracing::warn!(%error, "this node's row could not be deleted; the others do it in four seconds");
        }
        if let Some(nodes) = self.app.store().nodes()
            && let Err(error) = nodes.remember().await
        {
            tracing::warn!(%error, "an older database would not be noticed after this");
        }
        if self.app.settings.guard_only {
            return;
        }
        if let Err(error) = self.app.verifier.key_uses.flush(&**self.app.store()).await {
            tracing::warn!(%error, "the last uses of API keys cannot be written");
        }
        if let Err(error) = self.app.basic.uses.flush(&**self.app.store()).await {
            tracing::warn!(%error, "the last uses of HTTP Basic cannot be written");
        }
    }

    /// Read the policy file and the certificate again. What is bad is refused, and what was in force stays.
    pub async fn reload(&self) {
        reload::reload(&self.app, self.tls.as_deref()).await;
    }
}

/// Serve until SIGTERM or SIGINT, and for `drain-delay` after it; SIGHUP reloads. Prints where it listens on stdout once it is ready.
///
/// # Errors
/// [`ServeProblem`], before anything is answered.
pub async fn run(settings: Settings) -> Result<(), ServeProblem> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut running = start(settings).await?;
    problem::announce(&running).await;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => running.reload().await,
            // It follows the store for as long as there is one. A store that could not make a commit durable has
            // stopped for good (guarantee G5), and nothing may be judged on facts that nobody keeps true: so stop.
            _ = &mut running.feed => {
                let why = why_stopped(&running.app).await;
                running.stop().await;
                return Err(why);
            }
        }
    }
    running.leave();
    let delay = running.app.settings.drain_delay;
    tracing::info!(
        ?delay,
        "not ready any more; it serves on until balancers had time to see it, or another signal comes"
    );
    let ended = tokio::select! {
        () = tokio::time::sleep(delay) => Ok(()),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        _ = &mut running.feed => Err(why_stopped(&running.app).await),
    };
    tracing::info!("stopping: open requests may finish");
    running.stop().await;
    ended
}

/// Why there is nothing to follow any more.
async fn why_stopped(app: &App) -> ServeProblem {
    match app.store().changes_since(app.applied.revision()).await {
        Err(StoreError::Moved(place)) => ServeProblem::Moved(place),
        _ => ServeProblem::StoreStopped,
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeProblem> {
    TcpListener::bind(address).await.map_err(|source| ServeProblem::Bind { address, source })
}

/// The origin in force: the configured one, else the stored one, else where this first start listens.
async fn public_url(store: &dyn Store, settings: &Settings, listening: &str) -> Result<String, ServeProblem> {
    loop {
        let stored = store.public_url().await?;
        if settings.guard_only {
            return guards_url(settings, stored);
        }
        let url = settings.public_url.clone().or_else(|| stored.clone()).unwrap_or_else(|| listening.to_owned());
        if stored.as_ref() == Some(&url) {
            return Ok(url);
        }
        // Where it had changed meanwhile, another node was first: of several that start at once all take one.
        if store.set_public_url(stored.as_deref(), &url, &by_keyfob("public-url.set", &url)).await? {
            if let Some(stored) = stored {
                tracing::warn!(%stored, %url, "public-url changed: tokens issued under the old one are refused from now on");
            }
            return Ok(url);
        }
    }
}

/// The same for a node that only guards: whatever the others use.
fn guards_url(settings: &Settings, stored: Option<String>) -> Result<String, ServeProblem> {
    match (&settings.public_url, stored) {
        (_, None) => Err(ServeProblem::Guard("there is no installation in the database yet".to_owned())),
        (Some(own), Some(stored)) if *own != stored => {
            Err(ServeProblem::Guard(format!("the others are {stored}, not {own}")))
        }
        (_, Some(stored)) => Ok(stored),
    }
}

async fn app(
    settings: Settings,
    store: Arc<dyn Store>,
    (tagger, mint): (SessionTagger, Mint),
    public_url: &str,
) -> Result<App, ServeProblem> {
    // The revision first: what changes while the facts are loaded is then applied once more.
    let revision = store.revision().await?;
    let mut applied = Applied::new(revision);
    let mut node = None;
    if store.nodes().is_none() {
        applied = applied.in_directory(&settings.data);
    }
    if let Some(nodes) = store.nodes() {
        let skew = Skew::new(settings.leeway);
        let asked = clock::boot_micros();
        let store_says = nodes.clock().await?;
        skew.compared(asked, clock::boot_micros(), store_says);
        if let Some(why) = skew.in_the_way() {
            return Err(ServeProblem::Clock(why));
        }
        skew.tell();
        node = Some(Arc::new(Node::new(Terms::DEFAULT, revision, skew)));
        if settings.ack == Ack::All {
            applied = applied.and_at(Peers::new(Arc::clone(&store), Terms::DEFAULT));
        }
    }
    let keys = if settings.guard_only {
        Keys::load(&*store).await?
    } else {
        Keys::load_or_make(&*store, settings.schedule()).await?
    };
    let policy = feed::load_policy(&*store).await?;
    let verifier = StoreVerifier {
        facts: FactCache::new(settings.cache_entries),
        profile: Profile { issuer: public_url.into(), audience: public_url.into(), leeway: settings.leeway, tagger },
        keys: ArcSwap::from_pointee(keys.accepted()),
        policy: ArcSwap::from_pointee(policy),
        failed_signatures: FailedSignatures::default(),
        retirements: Retirements::seen_at_start(keys.retired_at),
        mint,
        key_uses: Arc::default(),
        dead_keys: FailedSignatures::default(),
        store,
    };
    let metadata = Metadata::of(public_url, &settings.prefix);
    let attempts = Attempts {
        store: Arc::clone(&verifier.store),
        hashing: HashingPool::start(settings.password_cost, settings.hash_threads, settings.hash_queue)?,
        dummy_hash: dummy_hash(settings.password_cost, &clock::random()).map_err(|_| ServeProblem::Hash)?,
        settled: Notify::new(),
        limits: settings.throttle,
    };
    Ok(App {
        verifier,
        keys: ArcSwap::from_pointee(keys),
        applied,
        node,
        leaving: AtomicBool::new(false),
        attempts: Arc::new(attempts),
        basic: Arc::default(),
        rules: Rules { min: settings.password_min },
        style: Style {
            profile: settings.refusals,
            realm: settings.realm.as_str().into(),
            resource_metadata: Some(metadata.address.as_str().into()),
        },
        metadata,
        metrics: Arc::new(Metrics::default()),
        settings,
    })
}

/// The audit row of what keyfob does by itself.
fn by_keyfob(event: &'static str, subject: &str) -> Audit {
    let (actor, subject) = ("keyfob".to_owned(), subject.to_owned());
    Audit { at: clock::now(), event, actor, subject, detail: String::new() }
}
