//! One copy of each client id and scope, shared by all remembered claims: a million tokens name a few clients and a
//! few sets of scopes. Bounded: past the bound, texts that nobody else holds are let go, and then new ones are simply
//! not shared.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, PoisonError};

use keyfob_core::access_token::{Carried, Claims};

use super::sync::Mutex;

/// Distinct client ids, and distinct scopes, that are shared. Narrowed tokens can make up scopes at will, so this is
/// what keeps the table small.
const SHARED_MAX: usize = 4096;

/// The table of shared texts.
#[derive(Default)]
pub(super) struct Interner {
    clients: Mutex<HashSet<Arc<str>>>,
    scopes: Mutex<HashSet<Arc<Carried>>>,
}

impl Interner {
    /// The same claims with shared texts. Copies them if somebody else holds them.
    pub(super) fn share(&self, mut claims: Arc<Claims>) -> Arc<Claims> {
        let own = Arc::make_mut(&mut claims);
        share(&mut self.clients.lock().unwrap_or_else(PoisonError::into_inner), &mut own.client_id);
        share(&mut self.scopes.lock().unwrap_or_else(PoisonError::into_inner), &mut own.scope);
        claims
    }
}

fn share<T: Eq + Hash + ?Sized>(known: &mut HashSet<Arc<T>>, text: &mut Arc<T>) {
    if let Some(shared) = known.get(&**text) {
        *text = Arc::clone(shared);
        return;
    }
    if known.len() >= SHARED_MAX {
        known.retain(|shared| Arc::strong_count(shared) > 1);
    }
    if known.len() < SHARED_MAX {
        known.insert(Arc::clone(text));
    }
}
