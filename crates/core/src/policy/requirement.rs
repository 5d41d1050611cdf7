//! What one `[[routes]]` block says: its methods, what they need, and how they are refused. A block says one thing
//! only: what contradicts itself, or says nothing, is refused with the way out.

use std::sync::Arc;

use toml::Spanned;

use super::PolicyProblem;
use super::compile::Source;
use super::file::Block;
use super::pattern::Pattern;
use super::route::{Needs, Owner, Permission, Wanted};
use super::target::{METHOD_BYTES_MAX, is_method};
use crate::assertion::AUDIENCE_BYTES_MAX;

/// The methods of a block; none means every method.
pub(super) fn read_methods(source: &Source<'_>, block: &Block) -> Result<Option<Vec<Box<str>>>, PolicyProblem> {
    let Some(written) = &block.methods else { return Ok(None) };
    if written.get_ref().is_empty() {
        return Err(source.problem(&written.span(), "leave `methods` out to cover every method"));
    }
    let mut methods: Vec<Box<str>> = Vec::new();
    for method in written.get_ref() {
        let name = method.get_ref();
        let message = if name == "*" {
            "leave `methods` out to cover every method".to_owned()
        } else if !is_method(name) {
            format!("this is no method: use a name such as `GET`, of at most {METHOD_BYTES_MAX} bytes")
        } else if name.bytes().any(|byte| byte.is_ascii_lowercase()) {
            format!("unknown method: methods are case-sensitive, write `{}`", name.to_ascii_uppercase())
        } else if methods.iter().any(|known| known.as_ref() == name) {
            format!("`{name}` is listed twice")
        } else {
            methods.push(name.as_str().into());
            continue;
        };
        return Err(source.problem(&method.span(), message));
    }
    Ok(Some(methods))
}

/// What a block needs of a caller.
pub(super) fn read_needs(source: &Source<'_>, block: &Block, pattern: &Pattern) -> Result<Needs, PolicyProblem> {
    let public = block.public.as_ref().filter(|flag| *flag.get_ref());
    let signed_in = block.signed_in.as_ref().filter(|flag| *flag.get_ref());
    let asks = block.require.is_some() || block.any_of.is_some() || owner_of(block).is_some();
    if let Some(or_scope) = block.or_scope.as_ref().filter(|_| !asks) {
        let message = "`or-scope` lets somebody in whom another rule refuses: write `require` if it is all there is";
        return Err(source.problem(&or_scope.span(), message));
    }
    match (public, signed_in) {
        (Some(public), _) if asks || signed_in.is_some() => {
            let message = "a public route needs nothing: remove `public`, or what the route requires";
            Err(source.problem(&public.span(), message))
        }
        (_, Some(signed_in)) if asks => {
            let message = "the other requirements already mean signed in: remove `signed-in`, or those";
            Err(source.problem(&signed_in.span(), message))
        }
        (Some(_), _) => Ok(Needs::Public),
        (_, Some(_)) => Ok(Needs::SignedIn),
        (None, None) if asks => read_permission(source, block, pattern).map(Needs::Permission),
        (None, None) => {
            let message =
                "say what this route needs: `require`, `any-of`, `owner`, `signed-in = true` or `public = true`";
            Err(source.problem(&block.path.span(), message))
        }
    }
}

/// The status a block is refused with, if it chooses.
pub(super) fn read_deny(source: &Source<'_>, block: &Block) -> Result<Option<u16>, PolicyProblem> {
    let Some(written) = &block.deny else { return Ok(None) };
    match written.get_ref() {
        401 => Ok(Some(401)),
        403 => Ok(Some(403)),
        404 => Ok(Some(404)),
        _ => Err(source.problem(&written.span(), "`deny` is 401, 403 or 404")),
    }
}

/// The audience of the assertions that a block asks for.
pub(super) fn read_assertion(source: &Source<'_>, block: &Block) -> Result<Option<Arc<str>>, PolicyProblem> {
    let Some(written) = &block.assertion else { return Ok(None) };
    let name = written.get_ref().as_str();
    if name.is_empty() || name.len() > AUDIENCE_BYTES_MAX || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!(
            "`assertion` is the name that the API knows itself by, such as `https://reports.example.com`: up to \
             {AUDIENCE_BYTES_MAX} visible ASCII characters"
        );
        return Err(source.problem(&written.span(), message));
    }
    Ok(Some(name.into()))
}

/// Whether `text` is an origin exactly as browsers send it (RFC 6454 §6.2). The error says what to do.
pub(super) fn is_origin(text: &str) -> Result<(), &'static str> {
    if text == "*" {
        return Err("`*` cannot go with credentials, and every call here has them: list exact origins");
    }
    let (scheme, authority) = text.split_once("://").ok_or("an origin looks like `https://app.example.com`")?;
    let is_scheme = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    if !scheme.starts_with(|first: char| first.is_ascii_lowercase()) || !scheme.bytes().all(is_scheme) {
        return Err("an origin begins with its scheme in lower case, such as `https://`");
    }
    if authority.contains(['/', '?', '#', '@']) {
        return Err("an origin is scheme, host and port only: remove the path, the user or the trailing `/`");
    }
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._:[]".contains(&byte);
    if authority.is_empty() || !authority.bytes().all(is_part) {
        return Err("the host of an origin is in lower case, without wildcards; other scripts as `xn--…`");
    }
    read_port(scheme, authority)
}

fn read_port(scheme: &str, authority: &str) -> Result<(), &'static str> {
    let after_host = authority.rfind(']').map_or(0, |at| at + 1);
    let Some((host, port)) = authority[after_host..].split_once(':') else { return Ok(()) };
    let number = port.parse::<u16>().ok().filter(|number| *number > 0 && number.to_string() == port);
    match number {
        None => Err("the port of an origin is a number from 1 to 65535"),
        Some(443) if scheme == "https" => Err("browsers leave `:443` out of an https origin: remove it"),
        Some(80) if scheme == "http" => Err("browsers leave `:80` out of an http origin: remove it"),
        Some(_) if host.is_empty() && after_host == 0 => Err("an origin looks like `https://app.example.com`"),
        Some(_) => Ok(()),
    }
}

fn read_permission(source: &Source<'_>, block: &Block, pattern: &Pattern) -> Result<Permission, PolicyProblem> {
    Ok(Permission {
        require: read_wanted(source, block.require.as_ref())?,
        any_of: read_wanted(source, block.any_of.as_ref())?,
        owner: read_owner(source, block, pattern)?,
        or_scope: block.or_scope.as_ref().map(|name| source.scope_token(name)).transpose()?.map(Into::into),
    })
}

fn read_wanted(
    source: &Source<'_>,
    written: Option<&Spanned<Vec<Spanned<String>>>>,
) -> Result<Option<Wanted>, PolicyProblem> {
    let Some(written) = written else { return Ok(None) };
    if written.get_ref().is_empty() {
        let empty = "this requires nothing: list a scope, or write `signed-in = true`";
        return Err(source.problem(&written.span(), empty));
    }
    let scope = source.scopes(written)?;
    let text = scope.to_string().into();
    Ok(Some(Wanted { scope, text }))
}

fn owner_of(block: &Block) -> Option<&Spanned<String>> {
    block.owner.as_ref().or(block.owner_username.as_ref())
}

fn read_owner(source: &Source<'_>, block: &Block, pattern: &Pattern) -> Result<Option<Owner>, PolicyProblem> {
    let Some(written) = owner_of(block) else { return Ok(None) };
    if let (Some(_), Some(second)) = (&block.owner, &block.owner_username) {
        return Err(source.problem(&second.span(), "a path names its owner once: keep `owner` or `owner-username`"));
    }
    let name = written.get_ref();
    if !pattern.has_parameter(name) {
        let message = format!("the path has no `{{{name}}}`: the owner is named by one whole segment of it");
        return Err(source.problem(&written.span(), message));
    }
    let name = name.as_str().into();
    Ok(Some(if block.owner.is_some() { Owner::Subject(name) } else { Owner::Username(name) }))
}
