//! How a command ends when it is not done: `error: …`, `hint: …`, and an exit code.

use std::process::ExitCode;

use super::say;
use crate::config::ConfigProblem;
use crate::control::Problem;
use crate::serve::ServeProblem;

/// Refused or failed.
const FAILED: u8 = 1;
/// Wrong usage.
pub(super) const USAGE: u8 = 2;

/// Why a command was not done.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    /// Nothing to say: the answer itself was the refusal, and it is on standard output.
    problem: Option<Problem>,
}

impl Failure {
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self { code: FAILED, problem: Some(Problem::refused(message)) }
    }

    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, problem: Some(Problem::refused(message)) }
    }

    /// The data that was printed says no.
    pub(super) fn answered_no() -> Self {
        Self { code: FAILED, problem: None }
    }

    /// The running keyfob answered something else than was asked.
    pub(super) fn unexpected() -> Self {
        Self::failed("the running keyfob gave an answer to another question").hint("restart it: it is another version")
    }

    /// The same with a hint.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.problem = self.problem.map(|problem| problem.hint(hint));
        self
    }

    pub(super) fn say(&self) {
        if let Some(problem) = &self.problem {
            say::error(&problem.message, problem.hint.as_deref());
        }
    }

    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { code: FAILED, problem: Some(problem) }
    }
}

impl From<ServeProblem> for Failure {
    fn from(problem: ServeProblem) -> Self {
        Self::failed(problem.to_string()).hint(problem.hint())
    }
}

impl From<ConfigProblem> for Failure {
    fn from(problem: ConfigProblem) -> Self {
        let code = if problem.is_usage() { USAGE } else { FAILED };
        Self { code, problem: Some(Problem::refused(problem.to_string()).hint(problem.hint)) }
    }
}
