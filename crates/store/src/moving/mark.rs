//! The mark that a move leaves in a database: whether the store in it is one.

/// What the store in a database is, by its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Half of one.
    Arriving,
    /// All of one, which may still be served from where it came from.
    Filled,
    /// A store.
    Here,
    /// What is left of one that is served from elsewhere.
    Away,
}

impl State {
    /// As stored.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Arriving => "arriving",
            Self::Filled => "filled",
            Self::Here => "here",
            Self::Away => "away",
        }
    }

    /// As read.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Arriving, Self::Filled, Self::Here, Self::Away].into_iter().find(|state| state.text() == text)
    }
}

/// The mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Which move.
    pub(crate) id: [u8; 16],
    pub(crate) state: State,
    /// Where the store went, or came from: a URL without a password, or a directory.
    pub(crate) place: String,
}
