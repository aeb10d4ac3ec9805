//! What went wrong between us and a registry, in words.

use std::io;

use serde_json::Value;

use crate::{Error, ErrorKind};

/// Most bytes of an answer that explains a failure.
pub(super) const MAX_EXPLANATION: u64 = 64 << 10;
/// Most characters of what a server says that are shown.
const MAX_SHOWN: usize = 300;

/// What a server has said in place of what was asked for.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// The distribution API's code: `MANIFEST_UNKNOWN`.
    pub(super) code: Option<String>,
    pub(super) text: String,
}

impl Refusal {
    pub(super) fn new(status: u16, body: &[u8]) -> Self {
        let (code, text) = explanation(body);
        Self { status, code, text }
    }

    /// The failure of an action, which is like `pull the manifest `12` of `library/debian`` at some registry.
    pub(super) fn error(&self, action: &str, registry: &str, known: bool) -> Error {
        let mut message = format!("cannot {action}: {registry} answered {}", status(self.status));
        for part in
            [self.code.as_deref(), Some(&*self.text)].into_iter().flatten().filter(|part| !part.is_empty())
        {
            message.push_str(": ");
            message.push_str(part);
        }
        Error::new(self.kind(), message).with_hint(self.hint(registry, known))
    }

    fn kind(&self) -> ErrorKind {
        match self.status {
            401 | 403 => ErrorKind::PermissionDenied,
            404 | 410 => ErrorKind::NotFound,
            405 | 415 | 501 => ErrorKind::Unsupported,
            408 | 504 => ErrorKind::TimedOut,
            429 => ErrorKind::ResourceExhausted,
            500..=599 => ErrorKind::Unavailable,
            400..=499 => ErrorKind::InvalidArgument,
            _ => ErrorKind::Other,
        }
    }

    fn hint(&self, registry: &str, known: bool) -> String {
        match (self.status, known) {
            (401 | 403, false) => {
                format!("if the image is there, it is not for everybody: `cv login {registry}`")
            }
            (401 | 403, true) => {
                format!("the credentials for `{registry}` do not allow it: look at `cv login {registry}`")
            }
            (404 | 410, _) => {
                "look at the spelling of registry, repository and tag; of private images some registries \
                               say that they are not there"
                    .to_owned()
            }
            (429, false) => format!("wait, or log in, which may raise the limit: `cv login {registry}`"),
            (429, true) => "wait; the registry limits how often it is asked".to_owned(),
            (500..=599, _) => "the registry has a problem; try again later".to_owned(),
            (300..=399, _) => {
                "the registry sends its clients elsewhere; use the name of that place".to_owned()
            }
            _ => "the registry refuses what it was asked; its log may say more".to_owned(),
        }
    }
}

/// The distribution API's `{"errors": [{"code": .., "message": .., "detail": ..}]}`, an authorization server's
/// `{"error": .., "error_description": ..}`, or a text.
fn explanation(body: &[u8]) -> (Option<String>, String) {
    let Ok(document) = serde_json::from_slice::<Value>(body) else {
        let text = String::from_utf8_lossy(body);
        let web_page = text.trim_start().starts_with('<');
        return (None, if web_page { String::new() } else { printable(&text) });
    };
    let first = document.get("errors").and_then(|errors| errors.get(0)).unwrap_or(&document);
    let text = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| first.get(*name)?.as_str())
            .map(printable)
            .filter(|text| !text.is_empty())
    };
    let message = text(&["message", "error_description", "details", "detail"]).unwrap_or_default();
    (text(&["code", "error"]), message)
}

/// One line without control characters, cut where it is too long.
pub(crate) fn printable(text: &str) -> String {
    let words = text.split_whitespace().map(|word| word.replace(|c: char| c.is_control(), "?"));
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
        if let Some((end, _)) = line.char_indices().nth(MAX_SHOWN) {
            line.truncate(end);
            line.push('…');
            break;
        }
    }
    line
}

fn status(status: u16) -> String {
    let reason = ureq::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    match reason {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    }
}

/// How a connection failed.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) kind: ErrorKind,
    pub(super) text: String,
    pub(super) hint: Option<&'static str>,
    /// The other side does not speak TLS.
    pub(super) no_tls: bool,
    /// Nobody vouches for the other side's certificate.
    pub(super) untrusted: bool,
    /// Another try may help.
    pub(super) again: bool,
    /// There is nobody at this place, or it has no such place: another try may help where there was somebody before.
    pub(super) absent: bool,
}

const NO_HOST: &str = "look at its spelling, and at the machine's DNS and proxy";
/// Windows' number for a name that nobody knows.
const WSAHOST_NOT_FOUND: i32 = 11001;
/// What std says of names that it cannot find, which have no kind of their own.
const LOOKUP_FAILED: &str = "failed to lookup address information";

impl Broken {
    pub(super) fn of(error: &ureq::Error) -> Self {
        let plain = |kind, text: String, again| Self {
            kind,
            text,
            hint: None,
            no_tls: false,
            untrusted: false,
            again,
            absent: false,
        };
        match error {
            ureq::Error::Rustls(error) => Self::of_tls(error),
            ureq::Error::Io(error) => Self::of_io(error),
            ureq::Error::Timeout(at) => {
                plain(ErrorKind::TimedOut, format!("no progress for too long ({at})"), true)
            }
            ureq::Error::HostNotFound => Self {
                hint: Some(NO_HOST),
                absent: true,
                ..plain(ErrorKind::Unavailable, "there is no host of this name".to_owned(), true)
            },
            ureq::Error::ConnectProxyFailed(why) => Self {
                hint: Some("look at HTTPS_PROXY, HTTP_PROXY and NO_PROXY"),
                ..plain(ErrorKind::Unavailable, format!("the proxy refuses: {}", printable(why)), false)
            },
            ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) => {
                plain(ErrorKind::Corrupt, printable(&format!("what it answers is no HTTP: {error}")), false)
            }
            error => plain(ErrorKind::Other, printable(&error.to_string()), false),
        }
    }

    pub(super) fn of_io(error: &io::Error) -> Self {
        let inner = error.get_ref();
        if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::of_tls(error);
        }
        if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
            return Self::of(error);
        }
        let kind = match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ErrorKind::TimedOut,
            _ => ErrorKind::Unavailable,
        };
        let text = printable(&error.to_string());
        let refused = error.kind() == io::ErrorKind::ConnectionRefused;
        let unknown = text.starts_with(LOOKUP_FAILED) || error.raw_os_error() == Some(WSAHOST_NOT_FOUND);
        let hint = match (refused, unknown) {
            (true, _) => Some("nobody listens there: look at host and port"),
            (_, true) => Some(NO_HOST),
            _ => None,
        };
        Self {
            kind,
            text,
            hint,
            // A server without TLS may close the connection over what it does not understand.
            no_tls: matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset),
            untrusted: false,
            again: true,
            absent: refused || unknown,
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        let untrusted = matches!(error, rustls::Error::InvalidCertificate(_));
        let hint = if untrusted {
            "name the authority of its certificate in `hosts.toml` (`ca`), or put it where the system has its own"
        } else {
            "look whether it is a registry with TLS that listens there"
        };
        Self {
            kind: ErrorKind::Unavailable,
            text: printable(&format!("TLS: {error}")),
            hint: Some(hint),
            no_tls: matches!(error, rustls::Error::InvalidMessage(_)),
            untrusted,
            again: false,
            absent: false,
        }
    }

    pub(super) fn error(&self, action: &str, registry: &str) -> Error {
        let error = Error::new(self.kind, format!("cannot {action}: {registry}: {}", self.text));
        match self.hint {
            Some(hint) => error.with_hint(hint),
            None if self.again => error.with_hint("look at the network, or try again later"),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_registries_say_is_shown_short_and_without_tricks() {
        for (body, code, text) in [
            (
                r#"{"errors":[{"code":"DENIED","message":"no\u001b[31m way\nat all"}]}"#,
                Some("DENIED"),
                "no?[31m way at all",
            ),
            (r#"{"error":"invalid_grant","error_description":"old"}"#, Some("invalid_grant"), "old"),
            (r#"{"details":"incorrect username or password"}"#, None, "incorrect username or password"),
            (r#"{"errors":[]}"#, None, ""),
            ("<html>404</html>", None, ""),
            ("  404 page\tnot found\n", None, "404 page not found"),
        ] {
            assert_eq!(explanation(body.as_bytes()), (code.map(str::to_owned), text.to_owned()), "{body}");
        }
        assert!(printable(&"é".repeat(5000)).chars().count() <= MAX_SHOWN + 1);
        assert!(printable(&"é ".repeat(5000)).chars().count() <= MAX_SHOWN + 1);
    }

    #[test]
    fn a_refusal_names_action_registry_status_code_and_what_to_do() {
        let body = br#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
        let error = Refusal::new(401, body).error("pull the manifest `12` of `team/app`", "r.io", false);
        let text = "cannot pull the manifest `12` of `team/app`: r.io answered 401 Unauthorized: UNAUTHORIZED: \
                    authentication required";
        assert_eq!(error.to_string(), text);
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.hint().is_some_and(|hint| hint.contains("cv login r.io")));
    }
}
