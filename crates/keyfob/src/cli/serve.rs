//! `keyfob serve`.

use clap::Args;

use super::Common;
use super::failure::Failure;
use crate::{hashing, log};

/// Flags of `serve`: the common settings. All others are keys of keyfob.toml and KEYFOB_… variables.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Where clients connect (default 127.0.0.1:8080)
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where operators and proxies connect: checks, health, metrics (default 127.0.0.1:8081)
    #[arg(long, value_name = "ADDR")]
    internal_listen: Option<String>,
    /// The origin clients know this keyfob by; issuer and audience of its tokens
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The API behind, such as `http://127.0.0.1:3000`
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// The policy file
    #[arg(long, value_name = "FILE")]
    policy: Option<String>,
}

impl Serve {
    pub(super) fn run(self, common: &Common) -> Result<(), Failure> {
        let settings = common.settings(vec![
            ("listen", "--listen", self.listen),
            ("internal-listen", "--internal-listen", self.internal_listen),
            ("public-url", "--public-url", self.public_url),
            ("upstream", "--upstream", self.upstream),
            ("policy", "--policy", self.policy),
        ])?;
        log::init(&settings);
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.enable_all().on_thread_start(hashing::nap_lightly).on_thread_park(hashing::nap).build();
        let runtime = runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
        runtime.block_on(crate::serve::run(settings)).map_err(Failure::from)
    }
}
