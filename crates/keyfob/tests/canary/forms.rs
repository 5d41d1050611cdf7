//! The forms that a secret takes when somebody writes it down without thinking: as it is, percent-encoded (RFC 3986 §2.1),
//! as a form (`+` for a space), in base64 and base64url at each of the three alignments, as hexadecimal digits; and the same
//! for the bytes that a base64url text stands for.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

/// All forms of a secret.
pub fn of(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.to_vec()];
    let text = std::str::from_utf8(secret).unwrap_or_default();
    // A token says openly who it is of (RFC 7519 §7.1); what makes it one is the signature.
    let signature = text.splitn(3, '.').nth(2).unwrap_or_default();
    let core = if text.starts_with("eyJ") { signature.as_bytes() } else { secret };
    encoded(core, &mut forms);
    let random = text.strip_prefix("fob_").and_then(|rest| rest.split_once('_')).map(|(_, rest)| rest.as_bytes());
    let random = random.or_else(|| text.starts_with("eyJ").then_some(core));
    if let Some(Ok(bytes)) = random.map(|random| URL_SAFE_NO_PAD.decode(random)) {
        forms.push(bytes.clone());
        encoded(&bytes, &mut forms);
    }
    forms.retain(|form| form.len() >= super::PIECE);
    forms
}

fn encoded(bytes: &[u8], forms: &mut Vec<Vec<u8>>) {
    let percent = percent_encode(bytes, NON_ALPHANUMERIC).to_string();
    forms.push(percent.replace("%20", "+").into_bytes());
    forms.push(percent.to_lowercase().into_bytes());
    forms.push(percent.into_bytes());
    let hex = hex(bytes);
    forms.push(hex.to_uppercase().into_bytes());
    forms.push(hex.into_bytes());
    for before in 0..3 {
        let shifted = [&[0; 2][..before], bytes].concat();
        for engine in [&STANDARD, &URL_SAFE] {
            let text = engine.encode(&shifted);
            // Its first and last characters depend on what stands beside it.
            let (start, end) = (if before == 0 { 0 } else { 4 }, text.len().saturating_sub(4));
            forms.push(text.as_bytes()[start.min(end)..end].to_vec());
        }
    }
}

/// As lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
