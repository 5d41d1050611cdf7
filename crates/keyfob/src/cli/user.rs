//! `keyfob user …`: with or without a running server, at once.

use clap::{Args, Subcommand};
use keyfob_core::user::{RoleName, Status, Username};

use super::failure::Failure;
use super::import::Import;
use super::{Common, key, password, say};
use crate::control::{Intention, Outcome, UserView, carry_out};

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Make a user; asks for the password
    Add {
        /// The username
        name: String,
        /// A role of the new user; may be given more than once
        #[arg(long = "role", value_name = "ROLE", value_parser = RoleName::parse)]
        roles: Vec<RoleName>,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Take over the users of an htpasswd file, with the passwords they have
    Import(Import),
    /// List all users
    List,
    /// Show one user
    Show {
        /// A username or user id
        user: String,
    },
    /// Change the roles of a user; its live tokens follow at once
    Role(Roles),
    /// Give a user another password; all its sessions end
    Passwd {
        /// A username or user id
        user: String,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Disable a user; all its sessions end
    Disable {
        /// A username or user id
        user: String,
    },
    /// Enable a user again
    Enable {
        /// A username or user id
        user: String,
    },
    /// Delete a user; a new one of the same name is another user
    Delete {
        /// A username or user id
        user: String,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct RoleChange {
    /// A role to add
    #[arg(long, value_name = "ROLE", value_parser = RoleName::parse)]
    add: Vec<RoleName>,
    /// A role to take away
    #[arg(long, value_name = "ROLE", value_parser = RoleName::parse)]
    remove: Vec<RoleName>,
    /// A role to have in place of all the old ones; may be given more than once
    #[arg(long, value_name = "ROLE", value_parser = RoleName::parse, conflicts_with_all = ["add", "remove"])]
    set: Vec<RoleName>,
}

#[derive(Debug, Args)]
pub(super) struct Roles {
    /// A username or user id
    user: String,
    #[command(flatten)]
    change: RoleChange,
}

impl User {
    pub(super) async fn run(self, common: &Common) -> Result<(), Failure> {
        let (intention, done) = match self {
            Self::List => return list(common).await,
            Self::Import(import) => return import.run(common).await,
            Self::Add { name, roles, password_stdin } => {
                // Said before the password is asked for.
                let name = Username::parse(&name).map_err(|problem| Failure::failed(problem.to_string()))?.to_string();
                let password = password::ask(&name, password_stdin)?;
                (Intention::UserAdd { name, password, roles }, None)
            }
            Self::Show { user } => (Intention::UserShow { user }, None),
            Self::Role(Roles { user, change: RoleChange { add, remove, set } }) => {
                let set = (!set.is_empty()).then_some(set);
                (Intention::UserRole { user, set, add, remove }, Some(ROLES_DONE))
            }
            Self::Passwd { user, password_stdin } => {
                let password = password::ask(&user, password_stdin)?;
                (Intention::UserPasswd { user, password }, Some("has a new password; its sessions have ended"))
            }
            Self::Disable { user } => (
                Intention::UserStatus { user, status: Status::Disabled },
                Some("is disabled; its sessions have ended, its API keys are revoked"),
            ),
            Self::Enable { user } => (Intention::UserStatus { user, status: Status::Active }, Some("is enabled")),
            Self::Delete { user } => (Intention::UserDelete { user }, None),
        };
        let settings = common.settings(Vec::new())?;
        // DESIGN §6: keys outlive a new password, and whoever sets it is told.
        let owner = if let Intention::UserPasswd { user, .. } = &intention { Some(user.clone()) } else { None };
        let outcome = carry_out(&settings, intention).await?;
        if let Some(user) = owner
            && let Outcome::ApiKeys(kept) = carry_out(&settings, Intention::KeyList { user }).await?
            && !kept.is_empty()
        {
            say::note(&format!(
                "these API keys are still good; `keyfob key revoke ID` ends one:\n{}",
                key::table(&kept).trim_end()
            ));
        }
        show(common, outcome, done)
    }
}

const ROLES_DONE: &str = "has these roles";

/// Print the user as it is now; on standard error, say what was done and what is odd about it.
fn show(common: &Common, outcome: Outcome, done: Option<&str>) -> Result<(), Failure> {
    let user = match outcome {
        Outcome::User { user, changed, unknown_roles } => {
            // Where roles are not the subject, this would be noise.
            let roles_matter = done.is_none_or(|done| done == ROLES_DONE);
            for role in unknown_roles.iter().filter(|_| roles_matter) {
                say::warning(&format!("the policy in force does not know the role `{role}`: it grants nothing"));
            }
            if let Some(done) = done {
                let already = if changed { "" } else { " (it was so already)" };
                say::note(&format!("{} {done}{already}", user.username));
            }
            user
        }
        Outcome::Deleted(user) => {
            say::note(&format!("{} is deleted; its sessions have ended, its API keys are gone", user.username));
            user
        }
        _ => return Err(Failure::unexpected()),
    };
    if common.json {
        return say::json(&user);
    }
    let (roles, failed) = (roles(&user), user.failed_sign_ins.as_ref().map(say::failed_sign_ins));
    let mut fields = vec![
        ("user", user.username.as_str()),
        ("id", &user.id),
        ("status", status(&user)),
        ("roles", &roles),
        ("created", &user.created_at),
    ];
    fields.extend(failed.as_deref().map(|failed| ("failed sign-ins", failed)));
    say::data(&say::fields(&fields))
}

async fn list(common: &Common) -> Result<(), Failure> {
    let settings = common.settings(Vec::new())?;
    let mut all: Vec<UserView> = Vec::new();
    loop {
        let after = all.last().map(|user| user.username.clone());
        let Outcome::Users(page) = carry_out(&settings, Intention::UserList { after }).await? else {
            return Err(Failure::unexpected());
        };
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    if common.json {
        return say::json(&all);
    }
    let row = |user: &UserView| [user.username.clone(), status(user).to_owned(), user.id.clone(), roles(user)];
    say::data(&say::table(["user", "status", "id", "roles"], &all.iter().map(row).collect::<Vec<_>>()))
}

fn status(user: &UserView) -> &'static str {
    match user.status {
        Status::Active => "active",
        Status::Disabled => "disabled",
    }
}

fn roles(user: &UserView) -> String {
    user.roles.iter().map(RoleName::as_str).collect::<Vec<_>>().join(" ")
}
