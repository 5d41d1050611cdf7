//! The long campaigns: the same tests that `cargo test` runs a small share of, at full length, in release mode. Each
//! keeps its state in `target/campaigns/`, so a run that was stopped goes on, and leaves its result in `campaigns/`.

use std::fs;

use crate::prepare;
use crate::run::{Failure, Outcome, cargo_command, root, run as execute, say, target};

/// One campaign: its name, what one cycle is, and how many make it whole.
struct Campaign {
    name: &'static str,
    cycle: &'static str,
    full: u64,
}

const CAMPAIGNS: &[Campaign] = &[
    Campaign { name: "kill9", cycle: "kill -9 amid logins and revocations, then a restart", full: 200 },
    Campaign { name: "backup", cycle: "a backup amid logins, and restores, both cut by kill -9", full: 200 },
    Campaign { name: "moving", cycle: "a store moved to PostgreSQL and back amid logins, cut by kill -9", full: 100 },
    Campaign { name: "revoke_race", cycle: "a revoking command while its victim calls at full speed", full: 50 },
    Campaign { name: "refresh_race", cycle: "2 to 16 clients that use one refresh token at once", full: 10_000 },
    Campaign { name: "guess_storm", cycle: "1,000 parallel guesses and 50 parallel right logins", full: 20 },
    Campaign { name: "paths", cycle: "a path spelling sent through the gateway", full: 50_000 },
    Campaign { name: "smuggle", cycle: "a stream of two readings, sent at four kinds of API", full: 20_000 },
    Campaign { name: "nodes", cycle: "three nodes amid calls and revocations while one thing goes wrong", full: 119 },
    Campaign {
        name: "acknowledge",
        cycle: "revocations timed at three nodes, or beside dead or cut off ones",
        full: 60,
    },
    Campaign { name: "rotate", cycle: "two seconds of calls while a signing key rotates, or is retired", full: 60 },
];

/// `list`, or a name (or `all`) with its options.
pub(crate) fn run(words: &[&str]) -> Outcome {
    match words {
        ["list"] => {
            for campaign in CAMPAIGNS {
                say(&format!("{:12} {:>6} x {}", campaign.name, campaign.full, campaign.cycle));
            }
            Ok(())
        }
        [name, options @ ..] => {
            let (cycles, again) = parse(options)?;
            let chosen: Vec<&Campaign> =
                CAMPAIGNS.iter().filter(|campaign| *name == "all" || *name == campaign.name).collect();
            if chosen.is_empty() {
                return Err(Failure::at(name, "no such campaign; see `cargo xtask campaign list`"));
            }
            prepare::run()?;
            chosen.into_iter().try_for_each(|campaign| one(campaign, cycles.unwrap_or(campaign.full), again))
        }
        [] => Err(Failure("a campaign's name is missing; see `cargo xtask campaign list`".to_owned())),
    }
}

fn parse(options: &[&str]) -> Outcome<(Option<u64>, bool)> {
    match options {
        [] => Ok((None, false)),
        ["--again", rest @ ..] => Ok((parse(rest)?.0, true)),
        ["--cycles", number, rest @ ..] => {
            let cycles = number.parse().map_err(|_| Failure::at(number, "not a number of cycles"))?;
            Ok((Some(cycles), parse(rest)?.1))
        }
        [other, ..] => Err(Failure::at(other, "unknown option")),
    }
}

fn one(campaign: &Campaign, cycles: u64, again: bool) -> Outcome {
    let state = target().join("campaigns").join(format!("{}.json", campaign.name));
    let result = root().join("campaigns").join(format!("{}.json", campaign.name));
    for folder in [state.parent(), result.parent()].into_iter().flatten() {
        fs::create_dir_all(folder).map_err(|error| Failure::at(folder.display(), error))?;
    }
    if again && state.exists() {
        fs::remove_file(&state).map_err(|error| Failure::at(state.display(), error))?;
    }
    say(&format!("xtask: campaign {}, {cycles} x {}", campaign.name, campaign.cycle));
    let filter = format!("campaign::{}::", campaign.name);
    let mut command = cargo_command();
    command.args(["test", "--release", "--package", "keyfob", "--test", "world", &filter]);
    command.args(["--", "--nocapture", "--test-threads=1"]);
    command.env("KEYFOB_CAMPAIGN_CYCLES", cycles.to_string());
    command.env("KEYFOB_CAMPAIGN_STATE", &state).env("KEYFOB_CAMPAIGN_RESULT", &result);
    execute(&mut command)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn options_may_come_in_any_order_and_unknown_ones_are_refused() {
        assert_eq!(parse(&[]).unwrap(), (None, false));
        assert_eq!(parse(&["--again", "--cycles", "7"]).unwrap(), (Some(7), true));
        assert_eq!(parse(&["--cycles", "7", "--again"]).unwrap(), (Some(7), true));
        assert!(parse(&["--cycles"]).is_err());
        assert!(parse(&["--cycles", "many"]).is_err());
        assert!(parse(&["--loud"]).is_err());
    }
}
