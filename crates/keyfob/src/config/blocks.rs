//! Reads the `[[upstreams]]` blocks of a configuration file: which keys there are is [`super::upstreams`]'s affair. Every
//! refusal names line and column and says what to do.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::layers::{File, place, raw};
use super::problem::ConfigProblem;
use super::upstreams::{BLOCKS_MAX, FIELDS, Place, Share, Upstream};
use super::value::Value;

/// The name of the blocks in the file.
pub(super) const NAME: &str = "upstreams";

/// Read them, the most particular first.
pub(super) fn read(file: &File<'_>, value: &Spanned<DeValue<'_>>) -> Result<Vec<Place>, ConfigProblem> {
    let written: Option<Vec<_>> = match value.get_ref() {
        DeValue::Array(items) => items.iter().map(|item| Some((item.span().start, table(item)?))).collect(),
        _ => None,
    };
    let Some(written) = written else {
        let message = "`upstreams` are blocks";
        return Err(problem(
            file,
            value.span().start,
            message,
            "write `[[upstreams]]` and below it the keys of one API",
        ));
    };
    if let Some((at, _)) = written.get(BLOCKS_MAX) {
        let hint = format!("there are at most {BLOCKS_MAX}: the gateway holds each request against all of them");
        return Err(problem(file, *at, "this is one block of `upstreams` too many", hint));
    }
    let mut places: Vec<(usize, Place)> = Vec::with_capacity(written.len());
    for (at, table) in written {
        let place = block(file, at, table)?;
        if let Some((first, _)) = places.iter().find(|(_, other)| other.share == place.share) {
            let line = line(file, *first);
            let hint = "list all origins of an API in one block, or give this one another `host` or `path`";
            return Err(problem(file, at, format!("the block on line {line} takes these requests already"), hint));
        }
        places.push((at, place));
    }
    places.sort_by_key(|(_, place)| std::cmp::Reverse(place.share.rank()));
    Ok(places.into_iter().map(|(_, place)| place).collect())
}

fn table<'a, 'i>(item: &'a Spanned<DeValue<'i>>) -> Option<&'a DeTable<'i>> {
    match item.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

fn block(file: &File<'_>, at: usize, table: &DeTable<'_>) -> Result<Place, ConfigProblem> {
    let mut place = Place { share: Share::default(), upstream: Upstream::at(Vec::new()) };
    for (name, value) in table {
        let Some(field) = FIELDS.iter().find(|field| field.name == name.get_ref().as_ref()) else {
            let names: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
            let message = format!("there is no setting `{NAME}.{}`", name.get_ref().escape_debug());
            return Err(problem(file, name.span().start, message, format!("a block has {}", names.join(", "))));
        };
        let base = file.path.parent().map(std::path::Path::to_path_buf).unwrap_or_default();
        let read = Value { raw: raw(value), base };
        (field.apply)(&mut place, &read).ok_or_else(|| {
            // It is mostly refused for the password in it, which is not to be seen.
            let shown = Some(read.shown()).filter(|shown| !shown.contains('@'));
            let shown = shown.as_deref().unwrap_or("what it is set to");
            let message = format!("`{NAME}.{}` cannot be {shown}", field.name);
            problem(file, value.span().start, message, format!("it takes {}", field.takes))
        })?;
    }
    if place.upstream.origins.is_empty() {
        let hint = "say where the API is: `origins = [\"http://127.0.0.1:3000\"]`";
        return Err(problem(file, at, "this block has no `origins`", hint));
    }
    if place.share == Share::default() {
        let hint = "what no block takes goes to `upstream`: use that, or give this block a `host` or a `path`";
        return Err(problem(file, at, "this block takes every request", hint));
    }
    Ok(place)
}

fn problem(file: &File<'_>, at: usize, message: impl Into<String>, hint: impl Into<String>) -> ConfigProblem {
    ConfigProblem { origin: place(file.path, file.text, at), message: message.into(), hint: hint.into() }
}

fn line(file: &File<'_>, at: usize) -> usize {
    file.text.get(..at).unwrap_or_default().matches('\n').count() + 1
}
