//! Proxies, and who is reached without one.

use std::net::IpAddr;

/// Longest list of exceptions, in bytes.
const MAX_EXCEPTIONS: usize = 64 << 10;

/// Proxies for requests; the machine itself (`localhost`, `127.0.0.0/8`, `::1`) is always reached without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// URL of the proxy for `http`.
    pub http: Option<String>,
    /// URL of the proxy for `https`.
    pub https: Option<String>,
    /// Who is reached without: `*`, a host (with all below it), `.host` (only those below it), an address, a range
    /// of addresses `10.0.0.0/8`; each with `:PORT` or without.
    pub except: Vec<String>,
}

impl Proxies {
    /// As `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say, in small or capital letters.
    pub(super) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            let set = |name: &str| variable(name).filter(|value| !value.is_empty());
            set(&name.to_ascii_lowercase()).or_else(|| set(name))
        };
        // A web server gives `HTTP_PROXY` to its programs when a client sends the header `Proxy` (CVE-2016-5385).
        let http = either("HTTP_PROXY").filter(|_| variable("REQUEST_METHOD").is_none());
        let all = either("ALL_PROXY");
        let except = either("NO_PROXY").unwrap_or_default();
        let except = if except.len() > MAX_EXCEPTIONS { "" } else { &*except };
        let parts = except.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty());
        Self {
            http: http.or_else(|| all.clone()),
            https: either("HTTPS_PROXY").or(all),
            except: parts.map(str::to_owned).collect(),
        }
    }

    /// The proxy for a host (IPv6 without brackets) and port.
    pub(super) fn for_host(&self, https: bool, host: &str, port: u16) -> Option<&str> {
        let proxy = if https { &self.https } else { &self.http };
        let proxy = proxy.as_deref()?;
        let without = is_loopback(host) || self.except.iter().any(|rule| excepted(rule, host, port));
        (!without).then_some(proxy)
    }
}

/// Says whether a host (IPv6 with brackets or without) is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn excepted(rule: &str, host: &str, port: u16) -> bool {
    if rule == "*" {
        return true;
    }
    let (name, only) = split_port(rule);
    if only.is_some_and(|only| only != port) {
        return false;
    }
    let address = host.parse::<IpAddr>().ok();
    if let Some((network, bits)) = name.split_once('/') {
        return match (network.parse(), bits.parse(), address) {
            (Ok(network), Ok(bits), Some(address)) => within(address, network, bits),
            _ => false,
        };
    }
    if let Some(address) = address {
        return name.parse::<IpAddr>().is_ok_and(|rule| rule == address);
    }
    let (host, name) = (host.to_ascii_lowercase(), name.to_ascii_lowercase());
    let name = name.strip_prefix('*').unwrap_or(&name);
    match name.strip_prefix('.') {
        Some(_) => host.ends_with(name),
        None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    }
}

/// A port follows the last colon of what is no bare IPv6 address.
fn split_port(rule: &str) -> (&str, Option<u16>) {
    if let Some((address, after)) = rule.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, after.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match rule.split_once(':') {
        Some((name, port)) if !port.contains(':') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (rule, None),
        },
        _ => (rule, None),
    }
}

fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let equal = |a: u128, b: u128, width: u32| match width.checked_sub(bits) {
        Some(rest) => a.checked_shr(rest).unwrap_or(0) == b.checked_shr(rest).unwrap_or(0),
        None => false,
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => equal(u32::from(a).into(), u32::from(b).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => equal(a.into(), b.into(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_those_of_other_programs() {
        let proxies = |except: &str| {
            Proxies::from_variables(|name| match name {
                "HTTPS_PROXY" => Some("http://proxy:3128".to_owned()),
                "no_proxy" => Some(except.to_owned()),
                _ => None,
            })
        };
        for (except, host, port, direct) in [
            ("", "x.io", 443, false),
            ("*", "x.io", 443, true),
            ("x.io", "x.io", 443, true),
            ("x.io", "a.x.io", 443, true),
            ("x.io", "ax.io", 443, false),
            (".x.io", "x.io", 443, false),
            (".x.io, y.io", "a.X.io", 443, true),
            ("*.x.io", "a.x.io", 443, true),
            ("x.io:5000", "x.io", 443, false),
            ("x.io:5000", "x.io", 5000, true),
            ("10.0.0.0/8", "10.1.2.3", 443, true),
            ("10.0.0.0/8", "11.1.2.3", 443, false),
            ("0.0.0.0/0", "11.1.2.3", 443, true),
            ("10.0.0.0/99", "10.0.0.0", 443, false),
            ("fd00::/8", "fd00::1", 443, true),
            ("[fd00::1]:5000", "fd00::1", 5000, true),
            ("fd00::1", "fd00::1", 443, true),
            ("10.1.2.3", "10.1.2.3", 443, true),
            ("", "localhost", 443, true),
            ("", "127.9.9.9", 443, true),
            ("", "::1", 443, true),
        ] {
            let proxy = proxies(except);
            assert_eq!(proxy.for_host(true, host, port).is_none(), direct, "{except}: {host}:{port}");
            assert_eq!(proxy.for_host(false, host, port), None, "{host}");
        }
    }

    #[test]
    fn a_header_of_a_web_request_is_no_proxy() {
        let variables = |name: &str| match name {
            "HTTP_PROXY" => Some("http://evil:1".to_owned()),
            "REQUEST_METHOD" => Some("GET".to_owned()),
            _ => None,
        };
        assert_eq!(Proxies::from_variables(variables), Proxies::default());
    }
}
