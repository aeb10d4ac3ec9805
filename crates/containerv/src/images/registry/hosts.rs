//! Where a registry really is: `hosts.toml` as containerd has it, and certificates as Docker keeps them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::{Table, Value};

use super::location::Location;
use crate::{Error, ErrorKind, Result};

/// Most bytes of a `hosts.toml`.
const MAX_BYTES: u64 = 256 << 10;
/// Most mirrors of a registry.
const MAX_MIRRORS: usize = 32;
/// The directory for registries that have none.
const DEFAULT_DIRECTORY: &str = "_default";

/// A server that answers for a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its URL; nothing for the registry's own server where the file does not name it.
    pub(crate) url: Option<String>,
    pub(crate) pull: bool,
    pub(crate) resolve: bool,
    pub(crate) push: bool,
    /// Files with certificates of authorities.
    pub(crate) authorities: Vec<PathBuf>,
    /// Files with the client's certificate and with its key, which may be the same.
    pub(crate) client: Option<(PathBuf, PathBuf)>,
    pub(crate) skip_verify: bool,
    /// The URL's path is all before the repository; else `/v2` follows it.
    pub(crate) override_path: bool,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) connect: Option<Duration>,
}

impl Place {
    fn new(url: Option<String>) -> Self {
        Self {
            url,
            pull: true,
            resolve: true,
            push: true,
            authorities: Vec::new(),
            client: None,
            skip_verify: false,
            override_path: false,
            headers: Vec::new(),
            connect: None,
        }
    }
}

/// The places of a registry in the order they are asked, by the first directory that knows it: mirrors, then the
/// registry's own server.
pub(super) fn find(directories: &[PathBuf], registry: &str) -> Result<Vec<Place>> {
    let names = names(registry);
    for directory in directories {
        let known = names.iter().map(|name| directory.join(name)).find(|path| path.is_dir());
        if let Some(known) = known {
            return read(&known);
        }
    }
    Ok(vec![Place::new(None)])
}

/// Names that a registry's directory may have. A colon cannot be in one on Windows.
fn names(registry: &str) -> Vec<String> {
    let mut names = Vec::new();
    if let Some((host, port)) = registry.rsplit_once(':') {
        names.push(format!("{host}_{port}_"));
        names.push(format!("{host}{port}"));
    }
    if !cfg!(windows) || !registry.contains(':') {
        names.push(registry.to_owned());
    }
    names.push(DEFAULT_DIRECTORY.to_owned());
    names
}

fn read(directory: &Path) -> Result<Vec<Place>> {
    let path = directory.join("hosts.toml");
    let failed = |why: String| {
        Error::new(ErrorKind::InvalidArgument, format!("cannot use `{}`: {why}", path.display()))
            .with_hint("docs/registries.md has what may be in it")
    };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return docker(directory),
        Err(error) => return Err(Error::io(error, format!("cannot read `{}`", path.display()))),
    };
    let mut text = String::new();
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| Error::io(error, format!("cannot read `{}`", path.display())))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(failed("it is too large".to_owned()));
    }
    let mut places = parse(&text).map_err(failed)?;
    for place in &mut places {
        let absolute = |path: &mut PathBuf| *path = directory.join(&*path);
        place.authorities.iter_mut().for_each(absolute);
        if let Some((certificate, key)) = &mut place.client {
            absolute(certificate);
            absolute(key);
        }
    }
    Ok(places)
}

/// A directory with certificates alone: `*.crt` are authorities', `NAME.cert` and `NAME.key` the client's.
fn docker(directory: &Path) -> Result<Vec<Place>> {
    let failed = |error| Error::io(error, format!("cannot read `{}`", directory.display()));
    let mut place = Place::new(None);
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        files.push(entry.map_err(failed)?.path());
    }
    files.sort();
    for path in files {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => place.authorities.push(path),
            Some("cert") if place.client.is_none() => {
                place.client = Some((path.clone(), path.with_extension("key")))
            }
            Some("cert") => {
                let message = format!("`{}` has several client certificates", directory.display());
                return Err(
                    Error::new(ErrorKind::InvalidArgument, message).with_hint("leave one `*.cert` there")
                );
            }
            _ => {}
        }
    }
    Ok(vec![place])
}

/// Reads a `hosts.toml`.
pub(crate) fn parse(text: &str) -> Result<Vec<Place>, String> {
    let mut document: Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let mut places = Vec::new();
    match document.remove("host") {
        None => {}
        Some(Value::Table(hosts)) => {
            for (url, options) in hosts {
                let Value::Table(options) = options else {
                    return Err(format!("`host.\"{url}\"` is no table"));
                };
                places.push(place(Some(url), options)?);
            }
        }
        Some(_) => return Err("`host` is no table".to_owned()),
    }
    let server = document.remove("server").map(|server| string(server, "server")).transpose()?;
    places.push(place(server, document)?);
    if places.len() > MAX_MIRRORS {
        return Err(format!("it has more than {MAX_MIRRORS} hosts"));
    }
    Ok(places)
}

fn place(url: Option<String>, options: Table) -> Result<Place, String> {
    let url = url
        .map(|url| {
            let full = if url.contains("://") { url.clone() } else { format!("https://{url}") };
            Location::parse(&full).map(|_| full).ok_or(format!("`{url}` is no URL of a registry"))
        })
        .transpose()?;
    let mut place = Place::new(url);
    for (name, value) in options {
        match &*name {
            "capabilities" => {
                (place.pull, place.resolve, place.push) = (false, false, false);
                for capability in strings(value, &name)? {
                    match &*capability {
                        "pull" => place.pull = true,
                        "resolve" => place.resolve = true,
                        "push" => place.push = true,
                        other => {
                            return Err(format!("`{other}` is no capability: `pull`, `resolve` or `push`"));
                        }
                    }
                }
            }
            "ca" => place.authorities = strings(value, &name)?.into_iter().map(PathBuf::from).collect(),
            "client" => place.client = client(value)?,
            "skip_verify" => place.skip_verify = flag(&value, &name)?,
            "override_path" => place.override_path = flag(&value, &name)?,
            "header" => place.headers = headers(value)?,
            "dial_timeout" => place.connect = Some(duration(&string(value, &name)?)?),
            other => return Err(format!("`{other}` is not known")),
        }
    }
    Ok(place)
}

fn string(value: Value, name: &str) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(format!("`{name}` is no text")),
    }
}

/// A text or a list of texts.
fn strings(value: Value, name: &str) -> Result<Vec<String>, String> {
    match value {
        Value::Array(list) => list.into_iter().map(|value| string(value, name)).collect(),
        value => Ok(vec![string(value, name)?]),
    }
}

fn flag(value: &Value, name: &str) -> Result<bool, String> {
    value.as_bool().ok_or(format!("`{name}` is neither `true` nor `false`"))
}

/// `"both.pem"`, `["both.pem"]` or `[["a.cert", "a.key"]]`.
fn client(value: Value) -> Result<Option<(PathBuf, PathBuf)>, String> {
    let mut pairs = Vec::new();
    let list = match value {
        Value::Array(list) => list,
        value => vec![value],
    };
    for entry in list {
        match strings(entry, "client")?.as_slice() {
            [both] => pairs.push((both.into(), both.into())),
            [certificate, key] if key.is_empty() => pairs.push((certificate.into(), certificate.into())),
            [certificate, key] => pairs.push((certificate.into(), key.into())),
            _ => return Err("`client` is no list of certificates, each with its key".to_owned()),
        }
    }
    if pairs.len() > 1 {
        return Err("`client` names several certificates, of which one can be used".to_owned());
    }
    Ok(pairs.pop())
}

fn headers(value: Value) -> Result<Vec<(String, String)>, String> {
    let Value::Table(table) = value else { return Err("`header` is no table".to_owned()) };
    let mut headers = Vec::new();
    for (name, value) in table {
        let fits = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        for value in strings(value, &name)? {
            if !fits(&value) || ureq::http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(format!("`{name}` is no header"));
            }
            headers.push((name.clone(), value));
        }
    }
    Ok(headers)
}

/// Go's durations of one unit: `500ms`, `30s`, `1m`.
fn duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("`{text}` is no time: `500ms`, `30s` or `1m`");
    let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(refuse)?;
    let number: u32 = text[..end].parse().map_err(|_| refuse())?;
    let unit = match &text[end..] {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        _ => return Err(refuse()),
    };
    unit.checked_mul(number).filter(|time| !time.is_zero()).ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_come_in_their_order_and_the_server_last() {
        let text = r#"
server = "https://registry-1.docker.io"
ca = "/etc/root.pem"

[host."https://mirror.example:5000/base"]
  capabilities = ["pull", "resolve"]
  ca = ["a.pem", "b.pem"]
  client = [["c.cert", "c.key"]]
  override_path = true
  dial_timeout = "1s"
  [host."https://mirror.example:5000/base".header]
    x-one = "1"
    x-two = ["2", "3"]

[host."another.example"]
  skip_verify = true
"#;
        let places = parse(text).unwrap();
        let urls: Vec<_> = places.iter().map(|place| place.url.as_deref().unwrap()).collect();
        assert_eq!(
            urls,
            ["https://mirror.example:5000/base", "https://another.example", "https://registry-1.docker.io"]
        );
        let first = &places[0];
        assert_eq!((first.pull, first.resolve, first.push, first.override_path), (true, true, false, true));
        assert_eq!(first.authorities, ["a.pem", "b.pem"].map(PathBuf::from));
        assert_eq!(first.client, Some(("c.cert".into(), "c.key".into())));
        assert_eq!((first.headers.len(), first.connect), (3, Some(Duration::from_secs(1))));
        assert!(places[1].skip_verify && places[1].push && !places[2].skip_verify);
        assert_eq!(places[2].authorities, [PathBuf::from("/etc/root.pem")]);
        assert_eq!(parse("").unwrap(), [Place::new(None)]);
    }

    #[test]
    fn what_is_not_known_or_wrong_is_named() {
        for (text, why) in [
            ("speed = 1", "`speed` is not known"),
            ("server = 1", "`server` is no text"),
            ("server = \"ftp://x\"", "`ftp://x` is no URL"),
            ("host = 1", "`host` is no table"),
            ("[host]\nx = 1", "`host.\"x\"` is no table"),
            ("capabilities = [\"delete\"]", "`delete` is no capability"),
            ("skip_verify = \"yes\"", "neither `true` nor"),
            ("client = [\"a\", \"b\"]", "several certificates"),
            ("client = [[\"a\", \"b\", \"c\"]]", "each with its key"),
            ("dial_timeout = \"1h\"", "no time"),
            ("dial_timeout = \"0s\"", "no time"),
            ("[header]\n\"a b\" = \"x\"", "no header"),
            ("[header]\na = \"x\\ny\"", "no header"),
            ("a = [", ""),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
        let many: String = (0..40).map(|number| format!("[host.\"h{number}\"]\n")).collect();
        assert!(parse(&many).unwrap_err().contains("more than"));
    }

    #[test]
    fn a_port_is_in_the_name_of_the_directory() {
        assert_eq!(names("x.io"), ["x.io", "_default"]);
        assert_eq!(names("x.io:5000")[..2], ["x.io_5000_", "x.io5000"]);
    }
}
