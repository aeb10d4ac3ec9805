//! What `inspect` prints of a container.
//!
//! These are types and not made-up JSON values because a command that people call in loops is
//! printed straight from what was read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use containerv::{Container, State};
use containerv_spec::image::config::Healthcheck;
use containerv_spec::request::{
    ImageName, LogDriver, Mount, MountSource, Process, Propagation, Root, Share, TimeNamespace, UserNamespace,
};
use containerv_spec::state::Status;
use containerv_spec::{Bound, ByteSize, OsText, Request};
use serde::Serialize;

use crate::platform::TARGET;
use crate::value::{exit, signal, time};
use crate::verbs::list::{image, network};

/// What Docker prints for a moment that has not come.
const NEVER: &str = "0001-01-01T00:00:00Z";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Document<'a> {
    id: &'a str,
    created: String,
    name: String,
    path: Option<String>,
    args: Vec<String>,
    image: String,
    state: StateDocument,
    platform: &'static str,
    mounts: Vec<MountDocument<'a>>,
    config: ConfigDocument<'a>,
    host_config: HostConfig<'a>,
    network_settings: NetworkSettings,
    request: &'a Request,
    /// Bytes on the disk, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    size_rw: Option<u64>,
}

impl<'a> Document<'a> {
    pub(super) fn new(container: &'a Container, state: &State, size_rw: Option<u64>) -> Self {
        let request = container.request();
        let process = request.process.as_ref();
        let args: &[OsText] = process.map_or(&[], |process| &process.args);
        let program = process.and_then(|process| process.program.as_ref()).or(args.first());
        Self {
            id: container.id().as_str(),
            created: time::rfc3339(request.created_unix_ns),
            name: container.name(),
            path: program.map(ToString::to_string),
            args: texts(args.get(1..).unwrap_or_default()),
            image: image_id(container),
            state: StateDocument::new(state),
            platform: TARGET.name(),
            mounts: request.mounts.iter().map(MountDocument::new).collect(),
            config: ConfigDocument::new(container),
            host_config: HostConfig::new(request),
            network_settings: NetworkSettings {
                networks: BTreeMap::from([(network(&request.network), Empty {})]),
            },
            request,
            size_rw,
        }
    }
}

fn texts(texts: &[OsText]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StateDocument {
    status: &'static str,
    running: bool,
    paused: bool,
    restarting: bool,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    dead: bool,
    pid: u32,
    exit_code: i64,
    signal: Option<String>,
    error: &'static str,
    started_at: String,
    finished_at: String,
}

impl StateDocument {
    fn new(state: &State) -> Self {
        let exit = state.exit.as_ref();
        let moment = |unix_ns: Option<u64>| unix_ns.map_or_else(|| NEVER.to_owned(), time::rfc3339);
        Self {
            status: state.status.as_str(),
            running: matches!(state.status, Status::Running | Status::Paused),
            paused: state.status == Status::Paused,
            restarting: false,
            oom_killed: state.oom_kills > 0 || exit.is_some_and(|exit| exit.out_of_memory),
            dead: state.status == Status::Dead,
            pid: state.pid.unwrap_or(0),
            exit_code: exit.map_or(0, |exit| exit::number(TARGET, exit.code)),
            signal: exit.and_then(|exit| exit.signal).map(|number| signal::name(TARGET, number)),
            error: "",
            started_at: moment(state.started_unix_ns),
            finished_at: moment(exit.map(|exit| exit.finished_unix_ns)),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MountDocument<'a> {
    r#type: &'a str,
    source: String,
    destination: String,
    mode: &'static str,
    #[serde(rename = "RW")]
    writable: bool,
    propagation: &'static str,
}

impl<'a> MountDocument<'a> {
    fn new(mount: &'a Mount) -> Self {
        let (kind, source) = match &mount.source {
            MountSource::Bind { path, .. } => ("bind", path.to_string()),
            MountSource::Tmpfs { .. } => ("tmpfs", String::new()),
            MountSource::FileSystem { kind } => (kind.as_str(), String::new()),
            MountSource::NamedPipe { path } => ("npipe", path.to_string()),
        };
        Self {
            r#type: kind,
            source,
            destination: mount.target.to_string(),
            mode: if mount.read_only { "ro" } else { "" },
            writable: !mount.read_only,
            propagation: match mount.options.propagation {
                Propagation::Private => "rprivate",
                Propagation::Slave => "rslave",
                Propagation::Shared => "rshared",
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigDocument<'a> {
    hostname: Cow<'a, str>,
    domainname: &'a str,
    user: &'a str,
    tty: bool,
    open_stdin: bool,
    env: Vec<String>,
    cmd: Vec<String>,
    image: String,
    working_dir: String,
    labels: &'a BTreeMap<String, String>,
    stop_signal: String,
    stop_timeout: i64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    exposed_ports: BTreeMap<&'a str, Empty>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<&'a Healthcheck>,
}

impl<'a> ConfigDocument<'a> {
    fn new(container: &'a Container) -> Self {
        let request = container.request();
        let process = request.process.as_ref();
        let list = |which: fn(&Process) -> &Vec<OsText>| {
            process.map(|process| texts(which(process))).unwrap_or_default()
        };
        Self {
            hostname: request.host_name(),
            domainname: request.domainname.as_deref().unwrap_or(""),
            user: process.map_or("", |process| process.user.as_str()),
            tty: process.is_some_and(|process| process.terminal.is_some()),
            open_stdin: process.is_some_and(|process| process.open_stdin),
            env: list(|process| &process.env),
            cmd: list(|process| &process.args),
            image: image(container),
            working_dir: process.map(|process| process.cwd.to_string()).unwrap_or_default(),
            labels: &request.labels,
            stop_signal: format!("SIG{}", signal::name(TARGET, i32::from(request.stop.signal))),
            stop_timeout: i64::try_from(request.stop.timeout_seconds).unwrap_or(-1),
            exposed_ports: image_record(request).map_or_else(BTreeMap::new, |image| {
                image.exposed_ports.iter().map(|port| (port.as_str(), Empty {})).collect()
            }),
            healthcheck: image_record(request).and_then(|image| image.healthcheck.as_ref()),
        }
    }
}

/// What a container keeps of its image, if that is one of the store.
fn image_record(request: &Request) -> Option<&ImageName> {
    match &request.root {
        Root::Layers(layers) => layers.image.as_deref(),
        _ => None,
    }
}

/// The ID of an image of the store, and what names the root else.
fn image_id(container: &Container) -> String {
    image_record(container.request()).map_or_else(|| image(container), |image| image.id.to_string())
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig<'a> {
    network_mode: String,
    auto_remove: bool,
    init: bool,
    privileged: bool,
    readonly_rootfs: bool,
    capabilities: Vec<String>,
    no_new_privileges: bool,
    pid_mode: String,
    ipc_mode: String,
    #[serde(rename = "UTSMode")]
    uts_mode: String,
    cgroupns_mode: String,
    userns_mode: &'static str,
    time_namespace: bool,
    cgroup_parent: String,
    sysctls: &'a BTreeMap<String, String>,
    shm_size: u64,
    oom_score_adj: i64,
    memory: i64,
    memory_swap: i64,
    memory_reservation: i64,
    cpu_shares: u64,
    cpu_quota: i64,
    cpu_period: u64,
    cpuset_cpus: &'a str,
    cpuset_mems: &'a str,
    pids_limit: i64,
    blkio_weight: u64,
    log_config: LogConfig,
}

impl<'a> HostConfig<'a> {
    fn new(request: &'a Request) -> Self {
        let limits = &request.limits;
        let security = &request.security;
        let namespaces = &request.namespaces;
        let capabilities = security.capabilities.0.iter().map(|capability| capability.to_string());
        Self {
            network_mode: network(&request.network),
            auto_remove: request.auto_remove,
            init: request.init,
            privileged: security.privileged,
            readonly_rootfs: request.read_only,
            capabilities: capabilities.collect(),
            no_new_privileges: !security.allow_new_privileges,
            pid_mode: share(&namespaces.pid),
            ipc_mode: share(&namespaces.ipc),
            uts_mode: share(&namespaces.uts),
            cgroupns_mode: share(&namespaces.cgroup),
            userns_mode: match &namespaces.user {
                UserNamespace::Auto => "auto",
                UserNamespace::Host => "host",
                UserNamespace::Single { .. } => "single",
                UserNamespace::Mapped { .. } => "mapped",
            },
            time_namespace: namespaces.time != TimeNamespace::Host,
            cgroup_parent: request.cgroup_parent.as_ref().map(ToString::to_string).unwrap_or_default(),
            sysctls: &request.sysctls,
            shm_size: request.shm_bytes.unwrap_or(64 << 20),
            oom_score_adj: security.oom_score_adj.unwrap_or(0).into(),
            memory: bytes(limits.memory),
            memory_swap: bytes(limits.memory_and_swap),
            memory_reservation: bytes(limits.memory_reservation.map(Bound::At)),
            cpu_shares: limits.cpu_shares.unwrap_or(0),
            cpu_quota: count(limits.cpu_quota),
            cpu_period: limits.cpu_period.unwrap_or(0),
            cpuset_cpus: limits.cpuset_cpus.as_deref().unwrap_or(""),
            cpuset_mems: limits.cpuset_mems.as_deref().unwrap_or(""),
            pids_limit: count(limits.pids),
            blkio_weight: limits.io_weight.unwrap_or(0).into(),
            log_config: LogConfig {
                r#type: request.log.driver,
                config: LogLimits { max_size: request.log.max_bytes, max_file: request.log.max_files.into() },
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LogConfig {
    r#type: LogDriver,
    config: LogLimits,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct LogLimits {
    max_size: u64,
    max_file: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    networks: BTreeMap<String, Empty>,
}

#[derive(Serialize)]
struct Empty {}

fn bytes(bound: Option<Bound<ByteSize>>) -> i64 {
    match bound {
        None => 0,
        Some(Bound::Unlimited) => -1,
        Some(Bound::At(size)) => i64::try_from(size.as_bytes()).unwrap_or(i64::MAX),
    }
}

fn count(bound: Option<Bound<u64>>) -> i64 {
    match bound {
        None => 0,
        Some(Bound::Unlimited) => -1,
        Some(Bound::At(count)) => i64::try_from(count).unwrap_or(i64::MAX),
    }
}

fn share(share: &Share) -> String {
    match share {
        Share::Private => "private".to_owned(),
        Share::Host => "host".to_owned(),
        Share::Container(id) => format!("container:{id}"),
    }
}
