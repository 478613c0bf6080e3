//! Parses the arguments of directives whose values have no module of their own.

use url::{Host, Url};

use super::{CacheIn, OnError, StatusFormat, TimesWritten, defaults};
use crate::breaker::Breaker;
pub use crate::endpoint::Complaint;
use crate::freshness::{Millis, StaleWindows};

/// `authgear_cookie_prefix`: a cookie's name is a token (RFC 6265 §4.1.1).
///
/// # Errors
/// If it isn't a token.
pub fn cookie_prefix(text: &str) -> Result<String, Complaint> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.bytes().all(token) {
        Ok(text.to_owned())
    } else {
        Err("a cookie's name is made of letters, digits and \"!#$%&'*+-.^_`|~\"")
    }
}

/// `authgear_on_error`.
///
/// # Errors
/// If it is neither an error status nor `anonymous`.
pub fn on_error(text: &str) -> Result<OnError, Complaint> {
    match text {
        "anonymous" => Ok(OnError::Anonymous),
        _ => number(text)
            .and_then(|status| u16::try_from(status).ok())
            .filter(|status| (400..=599).contains(status) && !is_nginxs_own(*status))
            .map(OnError::Status)
            .ok_or("it must be \"anonymous\" or a status between 400 and 599, other than 408, 444 and 494 to 499"),
    }
}

/// Statuses for which nginx closes the connection, or which it replaces.
fn is_nginxs_own(status: u16) -> bool {
    matches!(status, 408 | 444 | 494..=499)
}

/// `authgear_max_inflight`.
///
/// # Errors
/// If it isn't a number from 1 to 1,000,000.
pub fn max_inflight(text: &str) -> Result<u32, Complaint> {
    number(text).filter(|max| (1..=1_000_000).contains(max)).ok_or("it must be a number from 1 to 1000000")
}

/// `authgear_breaker`; `time` parses a time like nginx, in milliseconds.
///
/// # Errors
/// The invalid argument, and what is wrong with it.
pub fn breaker<'a>(
    arguments: &[&'a str],
    time: impl Fn(&str) -> Option<Millis>,
) -> Result<Option<Breaker>, (&'a str, Complaint)> {
    if arguments == ["off"] {
        return Ok(None);
    }
    let (mut max_fails, mut fail_timeout) = (None, None);
    for argument in arguments {
        let is_again = match argument.split_once('=') {
            Some(("max_fails", value)) => {
                let value = number(value).filter(|max| (1..=1_000_000).contains(max));
                let value = value.ok_or((*argument, "it must be a number from 1 to 1000000"))?;
                max_fails.replace(value).is_some()
            }
            Some(("fail_timeout", value)) => {
                let value = time(value).filter(|time| *time > 0);
                let value = value.ok_or((*argument, "it must be a time of more than 0"))?;
                fail_timeout.replace(value).is_some()
            }
            _ if *argument == "off" => return Err((argument, "\"off\" stands alone")),
            _ => return Err((argument, "it must be \"max_fails=\", \"fail_timeout=\" or \"off\"")),
        };
        if is_again {
            return Err((argument, "it is given twice"));
        }
    }
    let Breaker { max_fails: default_fails, fail_timeout: default_timeout } = defaults::BREAKER;
    Ok(Some(Breaker {
        max_fails: max_fails.unwrap_or(default_fails),
        fail_timeout: fail_timeout.unwrap_or(default_timeout),
    }))
}

/// `authgear_status`.
///
/// # Errors
/// If the format is unknown.
pub fn status_format(text: &str) -> Result<StatusFormat, Complaint> {
    match text {
        "json" => Ok(StatusFormat::Json),
        "prometheus" => Ok(StatusFormat::Prometheus),
        "html" => Ok(StatusFormat::Html),
        _ => Err("it must be \"json\", \"prometheus\" or \"html\""),
    }
}

/// `authgear_ssl_name`: the name for SNI and certificate verification, in the form used on the wire.
///
/// # Errors
/// If it isn't a DNS name.
pub fn ssl_name(text: &str) -> Result<String, Complaint> {
    const NO_NAME: Complaint = "it must be a DNS name";
    // The client library takes the name from a URL, so the URL parser must not interpret it as an address.
    let url = Url::parse(&format!("https://{text}/")).map_err(|_| NO_NAME)?;
    match url.host() {
        Some(Host::Domain(name)) if name.eq_ignore_ascii_case(text) && is_dns_name(name) => {
            Ok(name.to_owned())
        }
        _ => Err(NO_NAME),
    }
}

fn is_dns_name(name: &str) -> bool {
    matches!(rustls::pki_types::ServerName::try_from(name), Ok(rustls::pki_types::ServerName::DnsName(_)))
}

/// `authgear_realm`: copied unchanged between the quotes of a challenge (RFC 9110 §5.6.4).
///
/// # Errors
/// If it contains a byte that isn't allowed there.
pub fn realm(text: &str) -> Result<String, Complaint> {
    let fits = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && byte != b'"' && byte != b'\\';
    if text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("quotes, backslashes and control characters are not allowed")
    }
}

/// `authgear_cache`.
///
/// # Errors
/// If the name is empty.
pub fn cache(text: &str) -> Result<CacheIn, Complaint> {
    match text {
        "off" => Ok(CacheIn::Off),
        "" => Err("it must be \"off\" or the name of a zone"),
        name => Ok(CacheIn::Zone(name.to_owned())),
    }
}

/// `authgear_cache_zone`: splits `zone=name:size` into name and size; nginx parses the size.
///
/// # Errors
/// If it has another form.
pub fn cache_zone(text: &str) -> Result<(&str, &str), Complaint> {
    let zone = text.strip_prefix("zone=").and_then(|zone| zone.split_once(':'));
    zone.filter(|(name, _)| !name.is_empty() && *name != "off")
        .ok_or("it must be \"zone=name:size\", where the name isn't \"off\"")
}

/// One `authgear_cache_valid`, added to the earlier ones of the same level; `time` parses a time like nginx, in milliseconds.
///
/// # Errors
/// The invalid argument, and what is wrong with it.
pub fn cache_valid<'a>(
    written: &mut TimesWritten,
    arguments: &[&'a str],
    time: impl Fn(&str) -> Option<Millis>,
) -> Result<(), (&'a str, Complaint)> {
    let Some((last, kinds)) = arguments.split_last() else { return Ok(()) };
    let value = time(last).ok_or((*last, "it must be a time, after the kinds that it is for"))?;
    let kinds = if kinds.is_empty() { &["valid"] } else { kinds };
    for kind in kinds {
        let slot = match *kind {
            "valid" => &mut written.valid,
            "invalid" => &mut written.invalid,
            "none" => &mut written.none,
            _ => {
                return Err((kind, "it must be \"valid\", \"invalid\" or \"none\", and the last one a time"));
            }
        };
        if slot.replace(value).is_some() {
            return Err((kind, "its time is given twice at this level"));
        }
    }
    Ok(())
}

/// `authgear_cache_use_stale`; `time` as above.
///
/// # Errors
/// The invalid argument, and what is wrong with it.
pub fn cache_use_stale<'a>(
    arguments: &[&'a str],
    time: impl Fn(&str) -> Option<Millis>,
) -> Result<StaleWindows, (&'a str, Complaint)> {
    if arguments == ["off"] {
        return Ok(StaleWindows::default());
    }
    let (mut error, mut updating) = (None, None);
    for argument in arguments {
        let (slot, value) = match argument.split_once('=') {
            Some(("error", value)) => (&mut error, value),
            Some(("updating", value)) => (&mut updating, value),
            _ if *argument == "off" => return Err((argument, "\"off\" stands alone")),
            _ => return Err((argument, "it must be \"error=\", \"updating=\" or \"off\"")),
        };
        let window = time(value)
            .filter(|window| *window > 0)
            .ok_or((*argument, "it must be a time of more than 0"))?;
        if slot.replace(window).is_some() {
            return Err((argument, "it is given twice"));
        }
    }
    Ok(StaleWindows { error: error.unwrap_or(0), updating: updating.unwrap_or(0) })
}

/// Accepts digits only; Rust's own parser would also accept a leading `+`.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
