//! URLs that registries answer with.

use ureq::http::Uri;

use super::proxies::is_loopback;

/// Longest URL that is followed.
const MAX_URL: usize = 16 << 10;

/// A URL of `http` or `https`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) https: bool,
    /// Host in small letters, IPv6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query, beginning with `/`.
    pub(super) path: String,
}

impl Location {
    /// Reads an absolute URL. One with user and password, or for another protocol, is none.
    pub(super) fn parse(url: &str) -> Option<Self> {
        if url.len() > MAX_URL {
            return None;
        }
        let url = url.split('#').next().unwrap_or_default();
        let uri: Uri = url.parse().ok()?;
        let https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, port)) if !port.contains(']') => port.parse().ok()?,
            _ => usual_port(https),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Some(Self { https, host, port, path })
    }

    /// Reads what a server has answered with, which may be relative to what was asked for.
    pub(super) fn join(&self, answer: &str) -> Option<Self> {
        if let Some(rest) = answer.strip_prefix("//") {
            return Self::parse(&format!("{}://{rest}", self.scheme()));
        }
        if answer.contains("://") && !answer.starts_with(['/', '?', '.']) {
            return Self::parse(answer);
        }
        let own = self.path.split('?').next().unwrap_or_default();
        let path = if answer.starts_with('/') {
            answer.to_owned()
        } else if answer.starts_with('?') {
            format!("{own}{answer}")
        } else {
            let directory = own.rsplit_once('/').map_or("", |(directory, _)| directory);
            format!("{directory}/{answer}")
        };
        Self::parse(&format!("{}{path}", self.origin()))
    }

    /// Adds a parameter to the query; name and value are escaped.
    pub(super) fn with_parameter(mut self, name: &str, value: &str) -> Self {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str(&format!("{}={}", escape(name), escape(value)));
        self
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// `scheme://host[:port]`.
    pub(super) fn origin(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == usual_port(self.https) {
            format!("{}://{host}", self.scheme())
        } else {
            format!("{}://{host}:{}", self.scheme(), self.port)
        }
    }

    pub(super) fn url(&self) -> String {
        format!("{}{}", self.origin(), self.path)
    }

    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    pub(super) fn same_origin(&self, other: &Self) -> bool {
        self.https == other.https && self.host == other.host && self.port == other.port
    }
}

fn usual_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

/// Escapes all but letters, digits and what no part of a URL reads otherwise.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_joined_to_what_was_asked_for() {
        let asked = Location::parse("https://R.io:5000/v2/a/blobs/uploads/?x=1").unwrap();
        for (answer, joined) in [
            ("/v2/b?y=%2F", Some("https://r.io:5000/v2/b?y=%2F")),
            ("https://cdn.io/x", Some("https://cdn.io/x")),
            ("http://cdn.io:80/x", Some("http://cdn.io/x")),
            ("//cdn.io/x", Some("https://cdn.io/x")),
            ("uuid?state=s", Some("https://r.io:5000/v2/a/blobs/uploads/uuid?state=s")),
            ("?z=2", Some("https://r.io:5000/v2/a/blobs/uploads/?z=2")),
            ("https://[::1]:5000/x#f", Some("https://[::1]:5000/x")),
            ("https://[::1]", Some("https://[::1]/")),
            ("ftp://cdn.io/x", None),
            ("file:///etc/passwd", None),
            ("https://u:p@cdn.io/x", None),
            ("https://", None),
            ("https:///x", None),
            ("https://a b/", None),
            ("https://a:99999/", None),
        ] {
            assert_eq!(asked.join(answer).map(|joined| joined.url()).as_deref(), joined, "{answer}");
        }
        assert_eq!(
            asked.with_parameter("digest", "sha256:a&b").path,
            "/v2/a/blobs/uploads/?x=1&digest=sha256:a%26b"
        );
    }
}
