//! Token in hand to decision: warm, and at first sight beside the bare signature verification; issuing beside the bare
//! signature. All three algorithms, on a real store.

use std::hint::black_box;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use keyfob::clock;
use keyfob::verify::StoreVerifier;
use keyfob_core::access_token::Claims;
use keyfob_core::id::TokenId;
use keyfob_core::policy::{Ask, Decision, Policy};
use keyfob_core::signing_key::Algorithm;
use keyfob_core::time::Timestamp;
use keyfob_tower::cache::FactCache;
use keyfob_tower::guard::{self, Verify};

use crate::Outcome;
use crate::figure::{Figure, Target, number};
use crate::house::{self, House};
use crate::statistics::median;

/// Distinct tokens of the warm decision, and of each first one.
const TOKENS: usize = 10_000;
const FIRST: usize = 1_000;
/// Users they belong to.
const USERS: usize = 1_000;
/// Warm decisions in one lap, and laps. A lap is far shorter than a time slice, so the median one was not interrupted.
const LAP: usize = 200;
const LAPS: usize = 2_501;
/// Times each signature is made.
const SIGNATURES: usize = 1_000;

/// All rows of the decision, on stores below `data`.
///
/// # Errors
/// If a store cannot be made, or a token is not accepted at once.
pub fn run(data: &Path) -> Outcome<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut figures = Vec::new();
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let data = data.join(algorithm.name());
        std::fs::create_dir_all(&data)?;
        let house = runtime.block_on(House::build(&data, USERS, algorithm))?;
        let count = if algorithm == Algorithm::Es256 { TOKENS } else { FIRST };
        let claims = runtime.block_on(house.sessions(count))?;
        let verifier = verifier(&house)?;
        figures.extend(first(&house, &verifier, &claims[..FIRST])?);
        figures.push(issuing(&house, &claims[0])?);
        if algorithm == Algorithm::Es256 {
            figures.extend(warm(&house, &verifier, &claims)?);
            figures.push(crate::follow::warm(&house, &claims)?);
        }
    }
    Ok(figures)
}

/// One token that has been decided on before.
pub struct Warm {
    /// Where it comes from.
    pub house: House,
    /// What remembers it.
    pub verifier: StoreVerifier,
    /// The token.
    pub token: String,
    /// The headers of a request that presents it.
    pub headers: HeaderMap,
}

impl Warm {
    /// Make the store, the token, and the first decision.
    ///
    /// # Errors
    /// As [`run`].
    pub fn new(data: &Path) -> Outcome<Self> {
        std::fs::create_dir_all(data)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let house = runtime.block_on(House::build(data, 1, Algorithm::Es256))?;
        let claims = runtime.block_on(house.sessions(1))?;
        let token = house.token(&claims[0])?;
        let (headers, verifier) = (headers(&token)?, verifier(&house)?);
        decide(&verifier, &headers)?;
        Ok(Self { house, verifier, token, headers })
    }
}

fn verifier(house: &House) -> Outcome<StoreVerifier> {
    Ok(StoreVerifier {
        store: Arc::clone(&house.open.store),
        facts: FactCache::new(1_000_000),
        profile: house.profile.clone(),
        keys: house.keys.accepted().into_arc_swap(),
        policy: Policy::parse(house::POLICY, 1)?.into_arc_swap(),
        failed_signatures: keyfob::failed_signatures::FailedSignatures::default(),
        mint: keyfob_core::api_key::Mint::new(&[9; 32]),
        key_uses: Arc::default(),
        dead_keys: keyfob::failed_signatures::FailedSignatures::default(),
        retirements: keyfob::verify::Retirements::seen_at_start(None),
    })
}

/// What the verifier swaps while it runs.
trait IntoArcSwap: Sized {
    fn into_arc_swap(self) -> arc_swap::ArcSwap<Self> {
        arc_swap::ArcSwap::from_pointee(self)
    }
}

impl IntoArcSwap for keyfob_core::signing_key::KeySet {}
impl IntoArcSwap for Policy {}

/// Decide once; a decision that would wait, or refuse, is an error.
///
/// # Errors
/// That.
pub fn decide(verifier: &impl Verify, headers: &HeaderMap) -> Outcome {
    let ask = Ask::parse("GET", "api.example.com", b"/reports/7")?;
    let decision = pin!(guard::judge(verifier, ask, headers)).poll(&mut Context::from_waker(Waker::noop()));
    match decision {
        Poll::Ready(Ok(Decision::Allow(permit))) => {
            black_box(permit);
            Ok(())
        }
        other => Err(format!("not allowed at once: {other:?}").into()),
    }
}

fn headers(token: &str) -> Outcome<HeaderMap> {
    Ok(HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse()?)]))
}

fn warm(house: &House, verifier: &StoreVerifier, claims: &[Claims]) -> Outcome<Vec<Figure>> {
    let (one, many) = laps_of(verifier, house, claims)?;
    Ok(vec![
        Figure::absolute("warm decision, 10,000 tokens in turn", many, "ns", Target::AtMost(1000.0))
            .with(&format!("one token: {} ns; the path is read in both", number(one))),
    ])
}

/// Nanoseconds of a warm decision: on one token again and again, and on all of `claims` in turn.
///
/// # Errors
/// If one is refused, or waits.
#[expect(clippy::cast_precision_loss, reason = "small counts")]
pub fn laps_of(verifier: &impl Verify, house: &House, claims: &[Claims]) -> Outcome<(f64, f64)> {
    let all = claims.iter().map(|claims| headers(&house.token(claims)?)).collect::<Outcome<Vec<_>>>()?;
    all.iter().try_for_each(|headers| decide(verifier, headers))?;
    let laps = |of: &[HeaderMap]| -> Outcome<f64> {
        let mut turn = of.iter().cycle();
        let laps = (0..LAPS).map(|_| {
            let start = clock::instant();
            turn.by_ref().take(LAP).try_for_each(|headers| decide(verifier, headers))?;
            Ok(start.elapsed().as_secs_f64() * 1e9 / LAP as f64)
        });
        Ok(median(&laps.collect::<Outcome<Vec<f64>>>()?))
    };
    Ok((laps(&all[..1])?, laps(&all)?))
}

/// First decisions: of a token whose session is new too, then of a second token of the same session.
fn first(house: &House, verifier: &StoreVerifier, claims: &[Claims]) -> Outcome<Vec<Figure>> {
    let key = house.keys.signing().verifying_key();
    let (mut bare, mut unseen, mut second) = (Vec::new(), Vec::new(), Vec::new());
    for claims in claims {
        let token = house.token(claims)?;
        let (input, signature) = token.rsplit_once('.').ok_or("no signature")?;
        let signature = decode(signature)?;
        let again = Claims { token_id: TokenId::new(clock::now(), &clock::random()), ..claims.clone() };
        let (once, again) = (headers(&token)?, headers(&house.token(&again)?)?);
        let good = timed(&mut bare, || Ok(key.verifies(input.as_bytes(), &signature)))?;
        timed(&mut unseen, || decide(verifier, &once))?;
        timed(&mut second, || decide(verifier, &again))?;
        if !good {
            return Err("a right signature was refused".into());
        }
    }
    let name = key.algorithm().name();
    let figure = |title: &str, seen: &[f64], target| {
        let (seen, bare) = (median(seen), median(&bare));
        let words = |micros: f64| format!("{} us", number(micros));
        Figure::ratio(&format!("{name}: {title}"), words(seen), words(bare), seen / bare, target)
    };
    Ok(vec![
        figure("first decision on a token, beside the bare verification", &second, Target::AtMost(1.3)),
        figure("the same, its session not in memory either", &unseen, Target::None),
    ])
}

/// A token without a password: what a grant of `client_credentials` makes, which is its claims and their signature.
fn issuing(house: &House, claims: &Claims) -> Outcome<Figure> {
    let key = house.keys.signing();
    let token = house.token(claims)?;
    let input = token.rsplit_once('.').ok_or("no signature")?.0.as_bytes();
    let (mut bare, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..SIGNATURES {
        timed(&mut bare, || Ok(black_box(key.sign(input, clock::rng())?)))?;
        timed(&mut whole, || {
            let (at, life) = (clock::now(), claims.expires_at.since(claims.issued_at));
            let issued_at = Timestamp::from_seconds(at.seconds());
            let (token_id, expires_at) = (TokenId::new(at, &clock::random()), issued_at + life);
            house.token(&Claims { token_id, issued_at, expires_at, ..claims.clone() })
        })?;
    }
    let (bare, whole) = (median(&bare), median(&whole));
    let title = format!("{}: issuing, beside the bare signature", key.verifying_key().algorithm().name());
    let words = |micros: f64| format!("{} us", number(micros));
    Ok(Figure::ratio(&title, words(whole), words(bare), whole / bare, Target::AtMost(1.3)))
}

/// Do it, and keep how long it took, in microseconds.
fn timed<T>(times: &mut Vec<f64>, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let start = clock::instant();
    let done = work();
    let took: Duration = start.elapsed();
    times.push(took.as_secs_f64() * 1e6);
    done
}

fn decode(text: &str) -> Outcome<Vec<u8>> {
    use base64::Engine as _;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text)?)
}
