//! `keyfob user import FILE`: the users of an htpasswd file, with the passwords they have. Nothing is done if a line is wrong;
//! what is broken off is begun again by the same command, for users that are there already are passed over.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use keyfob_core::password::LegacyForm;
use keyfob_core::user::RoleName;
use serde::Serialize;

use super::failure::Failure;
use super::{Common, say};
use crate::control::{ImportedUser, Intention, Outcome, carry_out};
use crate::htpasswd::{self, FILE_BYTES_MAX, LineProblem};

/// Users of one intention: it fits into a request, and their hashes take less time than a command waits for an answer.
const USERS_AT_ONCE: usize = 100;

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The htpasswd file
    file: PathBuf,
    /// A role of each new user; may be given more than once
    #[arg(long = "role", value_name = "ROLE", value_parser = RoleName::parse)]
    roles: Vec<RoleName>,
}

/// What came of it, for scripts.
#[derive(Default, Serialize)]
struct Report {
    imported: Vec<String>,
    skipped: Vec<Skipped>,
    refused: Vec<LineProblem>,
}

#[derive(Serialize)]
struct Skipped {
    user: String,
    why: &'static str,
}

impl Import {
    pub(super) async fn run(self, common: &Common) -> Result<(), Failure> {
        let settings = common.settings(Vec::new())?;
        let mut report = Report::default();
        let entries = match htpasswd::read(&read(&self.file)?) {
            Ok(entries) => entries,
            Err(problems) => return refuse(common, &self.file, &Report { refused: problems, ..report }),
        };
        bound_forms(&self.file, entries.iter().map(|entry| entry.form))?;
        let users = entries.into_iter().map(|entry| ImportedUser { name: entry.username.into(), hash: entry.hash });
        let users: Vec<ImportedUser> = users.collect();
        for chunk in users.chunks(USERS_AT_ONCE) {
            let intention = Intention::UserImport { users: chunk.to_vec(), roles: self.roles.clone() };
            let done = carry_out(&settings, intention).await.inspect_err(|_| self.say(&report, false))?;
            let Outcome::Imported { made, taken, unknown_roles } = done else { return Err(Failure::unexpected()) };
            if report.imported.is_empty() && report.skipped.is_empty() {
                for role in unknown_roles {
                    say::warning(&format!("the policy in force does not know the role `{role}`: it grants nothing"));
                }
            }
            report.imported.extend(made);
            let skipped = |user| Skipped { user, why: "there is a user of that name already, who was not changed" };
            report.skipped.extend(taken.into_iter().map(skipped));
        }
        self.say(&report, true);
        if common.json { say::json(&report) } else { say::data(&table(&report)) }
    }

    fn say(&self, report: &Report, whole: bool) {
        let broken_off = if whole { "" } else { "; it was broken off, and the same command goes on" };
        let (imported, skipped) = (report.imported.len(), report.skipped.len());
        say::note(&format!("{}: {imported} users imported, {skipped} skipped{broken_off}", self.file.display()));
    }
}

fn table(report: &Report) -> String {
    let imported = report.imported.iter().map(|user| [user.clone(), "imported".to_owned()]);
    let skipped = report.skipped.iter().map(|it| [it.user.clone(), format!("skipped: {}", it.why)]);
    say::table(["user", "outcome"], &imported.chain(skipped).collect::<Vec<_>>())
}

fn refuse(common: &Common, file: &Path, report: &Report) -> Result<(), Failure> {
    if common.json {
        say::json(report)?;
    }
    for LineProblem { line, why, hint } in &report.refused {
        say::note(&format!("{}, line {line}: {why}\n  {hint}", file.display()));
    }
    let lines = if report.refused.len() == 1 { "1 line".to_owned() } else { format!("{} lines", report.refused.len()) };
    Err(Failure::failed(format!("{lines} of {} cannot be taken; nothing was imported", file.display()))
        .hint("put the lines right or remove them, and repeat the command"))
}

/// Too many kinds are told before the first user is made, not in the middle. With those of the store it is judged once more.
fn bound_forms(file: &Path, forms: impl Iterator<Item = LegacyForm>) -> Result<(), Failure> {
    let forms: BTreeSet<LegacyForm> = forms.collect();
    if forms.len() <= LegacyForm::MAX {
        return Ok(());
    }
    let words: Vec<String> = forms.into_iter().map(LegacyForm::words).collect();
    let (file, most, words) = (file.display(), LegacyForm::MAX, words.join(", "));
    Err(Failure::failed(format!("{file} has hashes of more than {most} kinds and costs: {words}; nothing was imported"))
        .hint("every sign-in takes the time of one of each: import some of the file, and the others when these users have signed in"))
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let cannot = |cause: std::io::Error| {
        Failure::failed(format!("cannot read {}: {cause}", file.display()))
            .hint("name the file that Apache's AuthUserFile or nginx's auth_basic_user_file names")
    };
    let opened = std::fs::File::open(file).map_err(cannot)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::failed(format!("{} is longer than {FILE_BYTES_MAX} bytes", file.display()))
            .hint("split it: users that are there already are passed over"));
    }
    Ok(bytes)
}
