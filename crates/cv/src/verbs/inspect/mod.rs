//! `inspect`: everything about a container, in Docker's words where it has them.

use containerv::{Container, Error, State};
use containerv_spec::request::{Mount, MountSource, Share, TimeNamespace, UserNamespace};
use containerv_spec::state::Status;
use containerv_spec::{Bound, OsText, Request};
use serde_json::{Value, json};

use super::Session;
use super::list::{image, network};
use super::system::{DocumentFormat, disk_usage, document_format};
use crate::failure::Failure;
use crate::output;
use crate::syntax::Parsed;
use crate::value::{signal, time, wrong};

/// What Docker prints for a moment that has not come.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Prints everything about containers.
pub fn inspect(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let format = document_format(parsed)?;
    parsed.read("type", |text| match text {
        "container" => Ok(()),
        _ => Err(wrong("only `container` is known")),
    })?;
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    for reference in parsed.operand_texts()? {
        match session.container(reference).and_then(|container| document(&container, parsed.switch("size"))) {
            Ok(document) => documents.push(document),
            Err(error) => problems.push(error),
        }
    }
    match format {
        None => output::print(format!("{:#}\n", Value::Array(documents)))?,
        Some(DocumentFormat::Json) => {
            output::print(documents.iter().map(|document| format!("{document}\n")).collect::<String>())?;
        }
        Some(format) => {
            for document in &documents {
                output::print(format.render(document)?)?;
            }
        }
    }
    if problems.is_empty() {
        Ok(0)
    } else {
        Err(Error::problems("not every container was found", problems).into())
    }
}

fn document(container: &Container, size: bool) -> Result<Value, Error> {
    let request = container.request();
    let state = container.state()?;
    let process = request.process.as_ref();
    let args: &[OsText] = process.map_or(&[], |process| &process.args);
    let program = process.and_then(|process| process.program.as_ref()).or(args.first());
    let mut document = json!({
        "Id": container.id().as_str(),
        "Created": time::rfc3339(request.created_unix_ns),
        "Name": container.name(),
        "Path": program.map(ToString::to_string),
        "Args": texts(args.get(1..).unwrap_or_default()),
        "Image": image(container),
        "State": state_document(&state),
        "Platform": "linux",
        "Mounts": request.mounts.iter().map(mount_document).collect::<Vec<_>>(),
        "Config": config_document(container),
        "HostConfig": host_config(request),
        "NetworkSettings": { "Networks": { network(&request.network): {} } },
        "Request": serde_json::to_value(request).map_err(|error| wrong(error.to_string()))?,
    });
    if let (true, Some(fields)) = (size, document.as_object_mut()) {
        fields.insert("SizeRw".to_owned(), disk_usage(container).into());
    }
    Ok(document)
}

fn texts(texts: &[OsText]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn state_document(state: &State) -> Value {
    let exit = state.exit.as_ref();
    let running = matches!(state.status, Status::Running | Status::Paused);
    json!({
        "Status": state.status.as_str(),
        "Running": running,
        "Paused": state.status == Status::Paused,
        "Restarting": false,
        "OOMKilled": exit.is_some_and(|exit| exit.out_of_memory),
        "Dead": state.status == Status::Dead,
        "Pid": state.pid.unwrap_or(0),
        "ExitCode": exit.map_or(0, |exit| exit.code),
        "Signal": exit.and_then(|exit| exit.signal).map(signal::name),
        "Error": "",
        "StartedAt": state.started_unix_ns.map_or(NEVER.to_owned(), time::rfc3339),
        "FinishedAt": exit.map_or(NEVER.to_owned(), |exit| time::rfc3339(exit.finished_unix_ns)),
    })
}

fn mount_document(mount: &Mount) -> Value {
    let (kind, source) = match &mount.source {
        MountSource::Bind { path, .. } => ("bind", path.to_string()),
        MountSource::Tmpfs { .. } => ("tmpfs", String::new()),
        MountSource::FileSystem { kind } => (kind.as_str(), String::new()),
    };
    json!({
        "Type": kind,
        "Source": source,
        "Destination": mount.target.to_string(),
        "Mode": if mount.read_only { "ro" } else { "" },
        "RW": !mount.read_only,
        "Propagation": format!("r{}", serde_json::to_value(mount.options.propagation).ok().as_ref().and_then(Value::as_str).unwrap_or_default()),
    })
}

fn config_document(container: &Container) -> Value {
    let request = container.request();
    let process = request.process.as_ref();
    json!({
        "Hostname": request.hostname.as_deref().unwrap_or(container.id().short()),
        "Domainname": request.domainname.as_deref().unwrap_or(""),
        "User": process.map_or("", |process| process.user.as_str()),
        "Tty": process.is_some_and(|process| process.terminal.is_some()),
        "OpenStdin": process.is_some_and(|process| process.open_stdin),
        "Env": process.map(|process| texts(&process.env)).unwrap_or_default(),
        "Cmd": process.map(|process| texts(&process.args)).unwrap_or_default(),
        "Image": image(container),
        "WorkingDir": process.map(|process| process.cwd.to_string()).unwrap_or_default(),
        "Labels": request.labels,
        "StopSignal": format!("SIG{}", signal::name(i32::from(request.stop.signal))),
        "StopTimeout": i64::try_from(request.stop.timeout_seconds).unwrap_or(-1),
    })
}

fn bytes(bound: Option<Bound<containerv_spec::ByteSize>>) -> i64 {
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

fn host_config(request: &Request) -> Value {
    let limits = &request.limits;
    let security = &request.security;
    let namespaces = &request.namespaces;
    let user = match &namespaces.user {
        UserNamespace::Auto => "auto",
        UserNamespace::Host => "host",
        UserNamespace::Single { .. } => "single",
        UserNamespace::Mapped { .. } => "mapped",
    };
    json!({
        "NetworkMode": network(&request.network),
        "AutoRemove": request.auto_remove,
        "Init": request.init,
        "Privileged": security.privileged,
        "ReadonlyRootfs": request.read_only,
        "Capabilities": security.capabilities.0.iter().map(|capability| capability.to_string()).collect::<Vec<_>>(),
        "NoNewPrivileges": !security.allow_new_privileges,
        "PidMode": share(&namespaces.pid),
        "IpcMode": share(&namespaces.ipc),
        "UTSMode": share(&namespaces.uts),
        "CgroupnsMode": share(&namespaces.cgroup),
        "UsernsMode": user,
        "TimeNamespace": namespaces.time != TimeNamespace::Host,
        "CgroupParent": request.cgroup_parent.as_ref().map(ToString::to_string).unwrap_or_default(),
        "Sysctls": request.sysctls,
        "ShmSize": request.shm_bytes.unwrap_or(64 << 20),
        "OomScoreAdj": security.oom_score_adj.unwrap_or(0),
        "Memory": bytes(limits.memory),
        "MemorySwap": bytes(limits.memory_and_swap),
        "MemoryReservation": bytes(limits.memory_reservation.map(Bound::At)),
        "CpuShares": limits.cpu_shares.unwrap_or(0),
        "CpuQuota": count(limits.cpu_quota),
        "CpuPeriod": limits.cpu_period.unwrap_or(0),
        "CpusetCpus": limits.cpuset_cpus.as_deref().unwrap_or(""),
        "CpusetMems": limits.cpuset_mems.as_deref().unwrap_or(""),
        "PidsLimit": count(limits.pids),
        "BlkioWeight": limits.io_weight.unwrap_or(0),
        "LogConfig": { "Type": serde_json::to_value(request.log.driver).unwrap_or(Value::Null),
            "Config": { "max-size": request.log.max_bytes, "max-file": request.log.max_files } },
    })
}
