//! `ps`.

use containerv::{Container, Error, State};
use containerv_spec::ByteSize;
use containerv_spec::request::{MountSource, Network, Protocol, PublishedPort, Root};
use containerv_spec::state::Status;
use serde_json::{Value, json};

use super::{Session, life, system};
use crate::failure::Failure;
use crate::output;
use crate::output::filter::Filters;
use crate::output::list::{Column, Format, render};
use crate::platform::TARGET;
use crate::syntax::{Parsed, usage};
use crate::value::{self, exit, time};

const COLUMNS: &[Column] = &[
    Column { heading: "CONTAINER ID", field: "ID", most: usize::MAX },
    Column { heading: "IMAGE", field: "Image", most: 40 },
    Column { heading: "COMMAND", field: "Command", most: 40 },
    Column { heading: "CREATED", field: "RunningFor", most: usize::MAX },
    Column { heading: "STATUS", field: "Status", most: usize::MAX },
    Column { heading: "NAMES", field: "Names", most: usize::MAX },
];
const SIZE: Column = Column { heading: "SIZE", field: "Size", most: usize::MAX };
const FILTERS: &[&str] = &["id", "name", "label", "status", "exited", "ancestor", "before", "since"];
const STATES: [Status; 7] = [
    Status::Creating,
    Status::Created,
    Status::Running,
    Status::Paused,
    Status::Exited,
    Status::Removing,
    Status::Dead,
];

/// Lists containers, the latest first.
pub fn ps(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let format = parsed.read("format", Format::parse)?.unwrap_or(Format::Table);
    let filters = Filters::parse(parsed.texts("filter")?.into_iter(), FILTERS).map_err(Failure::usage)?;
    check_filters(&filters)?;
    let last = parsed.read("last", |text| value::number(text, -1, i64::from(u32::MAX)))?;
    let last = if parsed.switch("latest") { Some(1) } else { last.filter(|count| *count >= 0) };
    let all =
        parsed.switch("all") || last.is_some() || !filters.is_free("status") || !filters.is_free("exited");

    let mut containers = session.host()?.containers()?;
    containers.reverse();
    let bounds = Bounds::find(session, &filters)?;
    let mut shown = Vec::new();
    for container in containers {
        // A container that was removed meanwhile is passed over.
        let Ok(state) = container.state() else { continue };
        let runs = matches!(state.status, Status::Running | Status::Paused);
        if (all || runs) && matches(&container, &state, &filters) && bounds.hold(&container) {
            shown.push((container, state));
        }
    }
    shown.truncate(last.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX)));
    print(parsed, &format, &shown)?;
    Ok(0)
}

fn print(parsed: &Parsed, format: &Format, shown: &[(Container, State)]) -> Result<(), Failure> {
    let truncate = !parsed.switch("no-trunc");
    if parsed.switch("quiet") {
        let ids = shown.iter().map(|(container, _)| format!("{}\n", shown_id(container, truncate)));
        return output::print(ids.collect::<String>());
    }
    let size = parsed.switch("size");
    let now = time::now_unix_ns();
    let objects: Vec<Value> =
        shown.iter().map(|(container, state)| describe(container, state, now, truncate, size)).collect();
    let mut columns: Vec<Column> = COLUMNS.iter().map(|column| Column { ..*column }).collect();
    columns.extend(size.then_some(SIZE));
    output::print(render(format, &columns, &objects, truncate)?)
}

fn shown_id(container: &Container, truncate: bool) -> &str {
    if truncate { container.id().short() } else { container.id().as_str() }
}

fn describe(container: &Container, state: &State, now: u64, truncate: bool, size: bool) -> Value {
    let request = container.request();
    let labels: Vec<String> = request.labels.iter().map(|(name, label)| format!("{name}={label}")).collect();
    let mounts = request.mounts.iter().map(|mount| match &mount.source {
        MountSource::Bind { path, .. } => path.to_string(),
        MountSource::Tmpfs { .. } => "tmpfs".to_owned(),
        MountSource::FileSystem { kind } => kind.clone(),
        MountSource::NamedPipe { path } => path.to_string(),
    });
    let mounts = mounts.collect::<Vec<_>>();
    let mut object = json!({
        "ID": shown_id(container, truncate),
        "Image": image(container),
        "Command": format!("\"{}\"", command(container)),
        "CreatedAt": time::spaced(request.created_unix_ns),
        "RunningFor": time::ago(request.created_unix_ns, now),
        "State": state.status.as_str(),
        "Status": status(state, now),
        "Names": container.name(),
        "Labels": labels.join(","),
        "Mounts": mounts.join(","),
        "Networks": network(&request.network),
        "Ports": ports(&request.ports),
    });
    if let (true, Some(fields)) = (size, object.as_object_mut()) {
        fields.insert("Size".to_owned(), ByteSize::bytes(system::disk_usage(container)).to_string().into());
    }
    object
}

/// Returns the image's name, or the root directory.
pub fn image(container: &Container) -> String {
    match &container.request().root {
        Root::Host => "host".to_owned(),
        Root::Directory(path) => path.to_string(),
        Root::Layers(layers) => match &layers.image {
            Some(image) => image.reference.clone(),
            None => layers.folders.first().map(ToString::to_string).unwrap_or_default(),
        },
    }
}

/// Returns the container's own command as one line.
pub fn command(container: &Container) -> String {
    let args = container.request().process.as_ref().map_or(&[][..], |process| &process.args);
    args.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Returns the network's word.
pub fn network(network: &Network) -> String {
    match network {
        Network::None => "none".to_owned(),
        Network::Host => "host".to_owned(),
        Network::Container(id) => format!("container:{}", id.short()),
        Network::Veth(pair) => pair.host_interface.clone(),
        Network::Named(network) => network.name.clone(),
    }
}

/// Returns what is published, as Docker writes it: `0.0.0.0:8080->80/tcp`.
fn ports(ports: &[PublishedPort]) -> String {
    let text = |port: &PublishedPort| {
        let protocol = match port.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        let outside = port.host_port.map(|outside| {
            let address = port.host_address.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into());
            format!("{}->", std::net::SocketAddr::new(address, outside))
        });
        format!("{}{}/{protocol}", outside.unwrap_or_default(), port.container_port)
    };
    ports.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// Returns the state as people read it: `Up 3 minutes`.
fn status(state: &State, now: u64) -> String {
    let since = |moment: Option<u64>| {
        value::time::human(std::time::Duration::from_nanos(now.saturating_sub(moment.unwrap_or(now))))
    };
    match (state.status, &state.exit) {
        (Status::Running, _) => format!("Up {}", since(state.started_unix_ns)),
        (Status::Paused, _) => format!("Up {} (Paused)", since(state.started_unix_ns)),
        (Status::Exited, Some(exit)) => {
            format!("{} {}", life::ended_text(exit), time::ago(exit.finished_unix_ns, now))
        }
        (Status::Created, _) => "Created".to_owned(),
        (Status::Dead, _) => "Dead".to_owned(),
        (other, _) => other.as_str().to_owned(),
    }
}

fn check_filters(filters: &Filters) -> Result<(), Failure> {
    let unknown =
        filters.values("status").iter().find(|text| !STATES.iter().any(|state| state.as_str() == *text));
    if let Some(text) = unknown {
        let words: Vec<&str> = STATES.iter().map(|state| state.as_str()).collect();
        let error = usage(format!("`--filter status={text}`: no such state"));
        return Err(Failure::usage(error.with_hint(format!("states: {}", words.join(", ")))));
    }
    match filters.values("exited").iter().find(|text| text.parse::<i64>().is_err()) {
        Some(text) => Err(Failure::usage(usage(format!("`--filter exited={text}`: expected an exit code")))),
        None => Ok(()),
    }
}

fn matches(container: &Container, state: &State, filters: &Filters) -> bool {
    let code = |text: &String| {
        state.exit.as_ref().is_some_and(|exit| exit::number(TARGET, exit.code).to_string() == *text)
    };
    filters.any("id", |text| container.id().as_str().starts_with(text.as_str()))
        && filters.any("name", |text| container.name().contains(text.as_str()))
        && filters.any("status", |text| state.status.as_str() == text)
        && filters.any("exited", code)
        && filters.any("ancestor", |text| image(container) == *text)
        && filters.labels(&container.request().labels)
}

/// `before=` and `since=`: moments at which named containers were made.
struct Bounds {
    before: Option<u64>,
    since: Option<u64>,
}

impl Bounds {
    fn find(session: &Session, filters: &Filters) -> Result<Self, Error> {
        let moment = |key: &str| {
            let reference = filters.values(key).last();
            reference
                .map(|reference| session.container(reference).map(|found| found.request().created_unix_ns))
                .transpose()
        };
        Ok(Self { before: moment("before")?, since: moment("since")? })
    }

    fn hold(&self, container: &Container) -> bool {
        let created = container.request().created_unix_ns;
        self.before.is_none_or(|before| created < before) && self.since.is_none_or(|since| created > since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_written_as_docker_does() {
        let port = |host_address, host_port, protocol| PublishedPort {
            host_address,
            host_port,
            container_port: 80,
            protocol,
        };
        let all = [
            port(None, Some(8080), Protocol::Tcp),
            port(Some([127, 0, 0, 1].into()), Some(53), Protocol::Udp),
            port("::1".parse().ok(), Some(1), Protocol::Tcp),
            port(None, None, Protocol::Tcp),
        ];
        assert_eq!(ports(&all), "0.0.0.0:8080->80/tcp, 127.0.0.1:53->80/udp, [::1]:1->80/tcp, 80/tcp");
        assert_eq!(ports(&[]), "");
    }
}
