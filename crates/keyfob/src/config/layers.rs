//! The three layers of settings: the file, then variables over it, then flags over both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::draft::Draft;
use super::keys::{self, Key};
use super::problem::{ConfigProblem, Origin};
use super::upstreams::Place;
use super::value::{Raw, Value};
use super::{Settings, blocks};

/// What settings are read from. Plain values, so that reading them is a pure function.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The configuration file's path and text, if there is one.
    pub file: Option<(PathBuf, String)>,
    /// Environment variables: those that begin with `KEYFOB_` count.
    pub variables: Vec<(String, String)>,
    /// Flags, as the key each one sets, its spelling, and its value.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

/// Settings, and what is odd about where they came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Sentences for the operator: variables that set nothing.
    pub warnings: Vec<String>,
}

/// Read all layers; a later one replaces a value of an earlier one.
///
/// # Errors
/// The first [`ConfigProblem`], which names the key, where its value came from, and what it takes.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigProblem> {
    let mut entries = Entries::new();
    let mut warnings = Vec::new();
    let mut draft = Draft::new();
    if let Some((path, text)) = &sources.file {
        draft.settings.upstreams = read_file(path, text, &mut entries)?;
    }
    read_variables(&sources.variables, &mut entries, &mut warnings)?;
    let mut flags = Entries::new();
    for (name, flag, text) in &sources.flags {
        if let Some(key) = keys::find(name) {
            let value = Value { raw: Raw::Word(text.clone()), base: PathBuf::new() };
            flags.insert(key.name, Entry { key, value, origin: Origin::Flag((*flag).to_owned()) });
        }
    }
    lay_over(&mut entries, flags)?;
    for entry in entries.values() {
        (entry.key.apply)(&mut draft, &entry.value).ok_or_else(|| refused(entry))?;
    }
    let settings = draft.finish().map_err(|(message, hint)| ConfigProblem {
        origin: Origin::Together,
        message: message.to_owned(),
        hint: hint.to_owned(),
    })?;
    Ok(Loaded { settings, warnings })
}

type Entries = BTreeMap<&'static str, Entry>;

struct Entry {
    key: &'static Key,
    value: Value,
    origin: Origin,
}

fn refused(entry: &Entry) -> ConfigProblem {
    let shown = entry.value.shown();
    // A URL of a database or an API is mostly refused for the password in it, which is not to be seen.
    let url = ["database", "upstream"].iter().any(|name| entry.key.name.starts_with(name));
    let secret = url && (shown.contains('@') || shown.contains("password="));
    ConfigProblem {
        origin: entry.origin.clone(),
        message: if secret {
            format!("`{}` cannot be what it is set to", entry.key.name)
        } else {
            format!("`{}` cannot be {shown}", entry.key.name)
        },
        hint: format!("it takes {}", entry.key.takes),
    }
}

/// Put a layer over the ones below. `tls` as a word and `[tls]` as a table exclude each other: the upper layer wins.
fn lay_over(below: &mut Entries, above: Entries) -> Result<(), ConfigProblem> {
    const FILES: [&str; 2] = ["tls.certificate", "tls.key"];
    let word = above.get("tls");
    let files = FILES.iter().any(|name| above.contains_key(name));
    if let (Some(word), true) = (word, files) {
        return Err(ConfigProblem {
            origin: word.origin.clone(),
            message: "`tls` is set, and so is `tls.certificate` or `tls.key`".to_owned(),
            hint: "name the certificate and its key, or say where TLS ends, not both".to_owned(),
        });
    }
    if word.is_some() {
        below.retain(|name, _| !FILES.contains(name));
    } else if files {
        below.remove("tls");
    }
    below.extend(above);
    Ok(())
}

fn read_variables(
    variables: &[(String, String)],
    below: &mut Entries,
    warnings: &mut Vec<String>,
) -> Result<(), ConfigProblem> {
    let known: BTreeMap<String, &'static Key> = keys::KEYS.iter().map(|key| (keys::variable(key.name), key)).collect();
    let mut layer = Entries::new();
    for (name, text) in variables.iter().filter(|(name, _)| name.starts_with("KEYFOB_")) {
        match known.get(name) {
            Some(key) => {
                let value = Value { raw: Raw::Word(text.clone()), base: PathBuf::new() };
                layer.insert(key.name, Entry { key, value, origin: Origin::Variable(name.clone()) });
            }
            // Not an error: an orchestrator makes variables of its own from the name of a service.
            None if !NOT_SETTINGS.contains(&name.as_str()) && !names_a_service(name) => {
                warnings.push(format!("variable {name} sets nothing: there is no such setting"));
            }
            None => {}
        }
    }
    lay_over(below, layer)
}

/// Variables that are read elsewhere.
const NOT_SETTINGS: [&str; 2] = ["KEYFOB_CONFIG", "KEYFOB_ROOT_KEY_FILE"];

/// Kubernetes names a service called `keyfob` by `KEYFOB_SERVICE_…` and `KEYFOB_PORT…` in every container.
fn names_a_service(name: &str) -> bool {
    name.starts_with("KEYFOB_SERVICE_") || name.starts_with("KEYFOB_PORT")
}

fn read_file(path: &Path, text: &str, entries: &mut Entries) -> Result<Vec<Place>, ConfigProblem> {
    let document = DeTable::parse(text).map_err(|error| ConfigProblem {
        origin: place(path, text, error.span().map_or(0, |span| span.start)),
        message: error.message().replace('\n', ", "),
        hint: "the file is TOML: `key = \"value\"` lines".to_owned(),
    })?;
    let mut layer = Entries::new();
    let file = File { path, text };
    let mut places = Vec::new();
    for (name, value) in document.get_ref() {
        if name.get_ref() == blocks::NAME {
            places = blocks::read(&file, value)?;
        }
    }
    read_table(&file, "", document.get_ref(), &mut layer)?;
    lay_over(entries, layer)?;
    Ok(places)
}

/// A configuration file.
pub(super) struct File<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

fn read_table(file: &File<'_>, above: &str, table: &DeTable<'_>, layer: &mut Entries) -> Result<(), ConfigProblem> {
    for (name, value) in table {
        let full = format!("{above}{}", name.get_ref());
        // Read by themselves.
        if full == blocks::NAME {
            continue;
        }
        if let DeValue::Table(inner) = value.get_ref()
            && keys::KEYS.iter().any(|key| key.name.strip_prefix(&full).is_some_and(|rest| rest.starts_with('.')))
        {
            read_table(file, &format!("{full}."), inner, layer)?;
            continue;
        }
        let Some(key) = keys::find(&full) else {
            return Err(ConfigProblem {
                origin: place(file.path, file.text, name.span().start),
                message: format!("there is no setting `{}`", full.escape_debug()),
                hint: keys::nearest(&full).map_or_else(
                    || "`keyfob serve --help` and the manual list the settings".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                ),
            });
        };
        let base = file.path.parent().map(Path::to_path_buf).unwrap_or_default();
        let origin = place(file.path, file.text, value.span().start);
        layer.insert(key.name, Entry { key, value: Value { raw: raw(value), base }, origin });
    }
    Ok(())
}

/// A TOML value as it was written.
pub(super) fn raw(value: &Spanned<DeValue<'_>>) -> Raw {
    match value.get_ref() {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Boolean(truth) => Raw::Truth(*truth),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Raw::Other("an integer that is too large"), Raw::Number),
        DeValue::Array(items) => items
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .map_or(Raw::Other("an array of anything but strings"), Raw::List),
        DeValue::Float(_) => Raw::Other("a number with a fraction"),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}

/// The one-based line and column of a byte of a text.
pub(super) fn place(path: &Path, text: &str, at: usize) -> Origin {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Origin::File { path: path.to_path_buf(), line, column }
}
