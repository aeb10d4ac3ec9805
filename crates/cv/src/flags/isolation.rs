//! Options of namespaces, names and network.

use std::net::IpAddr;
use std::time::Duration;

use containerv::Error;
use containerv_spec::OsText;
use containerv_spec::request::{IdRange, Network, Share, TimeNamespace, UserNamespace};

use crate::draft::{Draft, Joined};
use crate::platform;
use crate::syntax::{Completion, Flag, Section};
use crate::value::{self, duration, fields, not_offered, quote, wrong};

/// Options of isolation.
pub static ISOLATION: Section = Section {
    title: "Isolation",
    flags: &[
        Flag::value("hostname", "NAME", "Host name inside (default: the short id)").short('h').sets(hostname),
        Flag::value("domainname", "NAME", "NIS domain name inside").sets(domainname),
        Flag::value(
            "network",
            "none|host|container:NAME",
            "Network: own without outside (default), this machine's, another's",
        )
        .completed(Completion::Words(&["none", "host", "container:"]))
        .sets(network),
        Flag::value("add-host", "NAME:ADDRESS", "Add a line to /etc/hosts").sets(add_host),
        Flag::value(
            "pid",
            "private|host|container:NAME",
            "Processes: own (default), this machine's, another's",
        )
        .completed(Completion::Words(&["private", "host", "container:"]))
        .sets(pid),
        Flag::value(
            "ipc",
            "private|host|container:NAME",
            "Shared memory and queues: own (default), this machine's, another's",
        )
        .completed(Completion::Words(&["private", "shareable", "host", "container:"]))
        .sets(ipc),
        Flag::value("uts", "private|host", "Host name: own (default) or this machine's")
            .completed(Completion::Words(&["private", "host"]))
            .sets(uts),
        Flag::value(
            "cgroupns",
            "private|host",
            "View of the control groups: own (default) or this machine's",
        )
        .completed(Completion::Words(&["private", "host"]))
        .sets(cgroupns),
        Flag::value(
            "userns",
            "auto|host|keep-id",
            "User ids: none for root and own for others (default), this machine's, or the caller's kept",
        )
        .completed(Completion::Words(&["auto", "host", "keep-id"]))
        .sets(userns),
        Flag::value("uidmap", "INSIDE:OUTSIDE:COUNT", "Own user ids with this range; may be repeated")
            .sets(uidmap),
        Flag::value("gidmap", "INSIDE:OUTSIDE:COUNT", "Own group ids with this range; may be repeated")
            .sets(gidmap),
        Flag::switch("timens", "Give it monotonic and boot clocks of its own").sets(timens),
        Flag::value(
            "time-offset",
            "[CLOCK=]SECONDS",
            "Shift the clock `monotonic`, `boottime` or both; implies --timens",
        )
        .sets(time_offset),
        Flag::value("sysctl", "NAME=VALUE", "Set a kernel setting of the container's namespaces")
            .sets(sysctl),
        Flag::value("isolation", "process", "Kind of isolation")
            .completed(Completion::Words(&["process"]))
            .sets(isolation),
    ],
};

fn hostname(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.hostname = Some(name(text)?);
    Ok(())
}

fn domainname(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.domainname = Some(name(text)?);
    Ok(())
}

fn name(text: &OsText) -> Result<String, Error> {
    match value::utf8(text)? {
        "" => Err(wrong("the name is empty")),
        // The kernel's limit, __NEW_UTS_LEN of linux/utsname.h.
        name if name.len() > 64 => Err(wrong("longer than 64 bytes")),
        name if name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/') => {
            Err(wrong("a name has no white space, control character or slash"))
        }
        name => Ok(name.to_owned()),
    }
}

fn network(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let text = value::utf8(text)?;
    if let Some(reference) = container_reference(text)? {
        draft.joined.retain(|(joined, _)| *joined != Joined::Network);
        draft.joined.push((Joined::Network, reference));
        return Ok(());
    }
    draft.joined.retain(|(joined, _)| *joined != Joined::Network);
    draft.request.network = match text {
        "none" => Network::None,
        "host" => Network::Host,
        _ => {
            let what = if matches!(text, "bridge" | "default") { "bridges" } else { "named networks" };
            return Err(not_offered(format!("{what} are not offered yet"))
                .with_hint("use `none`, `host` or `container:NAME`"));
        }
    };
    Ok(())
}

/// Takes the reference out of `container:NAME`.
fn container_reference(text: &str) -> Result<Option<String>, Error> {
    match text.strip_prefix("container:") {
        Some("") => Err(wrong("no container is named after `container:`")),
        Some(reference) => Ok(Some(reference.to_owned())),
        None => Ok(None),
    }
}

fn add_host(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let text = value::utf8(text)?;
    let expected = || wrong("expected `NAME:ADDRESS`, as `db:10.0.0.5`");
    let (host, address) = text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(expected)?;
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
        return Err(expected());
    }
    if address == "host-gateway" {
        return Err(not_offered("`host-gateway` needs a bridge, which is not offered yet")
            .with_hint("with `--network host`, use 127.0.0.1"));
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    match bare.parse::<IpAddr>() {
        Ok(_) => draft.request.extra_hosts.push((host.to_owned(), bare.to_owned())),
        Err(_) => return Err(wrong(format!("{} is not an IP address", quote(&address.into())))),
    }
    Ok(())
}

fn pid(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let share = share(draft, text, Joined::Pid, &["private"])?;
    draft.request.namespaces.pid = share;
    Ok(())
}

fn ipc(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    if text.as_bytes() == b"none" {
        return Err(not_offered("`none` (without /dev/shm) is not offered").with_hint("use `private`"));
    }
    let share = share(draft, text, Joined::Ipc, &["private", "shareable"])?;
    draft.request.namespaces.ipc = share;
    Ok(())
}

/// Reads whose namespace is used; another container's is noted and filled in later.
fn share(draft: &mut Draft, text: &OsText, joined: Joined, private: &[&str]) -> Result<Share, Error> {
    let text = value::utf8(text)?;
    draft.joined.retain(|(known, _)| *known != joined);
    if let Some(reference) = container_reference(text)? {
        draft.joined.push((joined, reference));
        return Ok(Share::Private);
    }
    private_or_host(text, private)
        .map_err(|error| error.with_hint("`container:NAME` joins another container's"))
}

fn private_or_host(text: &str, private: &[&str]) -> Result<Share, Error> {
    match text {
        "host" => Ok(Share::Host),
        _ if private.contains(&text) => Ok(Share::Private),
        _ => Err(wrong("expected `private` or `host`")),
    }
}

fn uts(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.namespaces.uts = private_or_host(value::utf8(text)?, &["private"])?;
    Ok(())
}

fn cgroupns(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.namespaces.cgroup = private_or_host(value::utf8(text)?, &["private"])?;
    Ok(())
}

fn userns(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.namespaces.user = match value::utf8(text)? {
        "auto" => UserNamespace::Auto,
        "host" => UserNamespace::Host,
        "keep-id" => {
            let (uid, gid) = platform::ids();
            UserNamespace::Single { uid, gid }
        }
        _ => {
            return Err(wrong("expected `auto`, `host` or `keep-id`")
                .with_hint("`--uidmap` and `--gidmap` give ranges of ids"));
        }
    };
    Ok(())
}

fn uidmap(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.uid_ranges.push(id_range(value::utf8(text)?)?);
    Ok(())
}

fn gidmap(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.gid_ranges.push(id_range(value::utf8(text)?)?);
    Ok(())
}

fn id_range(text: &str) -> Result<IdRange, Error> {
    let mut parts = text.split(':');
    let mut next =
        || parts.next().ok_or_else(|| wrong("expected `INSIDE:OUTSIDE:COUNT`, as `0:100000:65536`"));
    // The largest id is reserved: (uid_t) -1 means "no change" in system calls.
    let most = u32::MAX - 1;
    let (inside, outside) = (value::number(next()?, 0, most)?, value::number(next()?, 0, most)?);
    let count: u32 = value::number(next()?, 1, u32::MAX)?;
    if parts.next().is_some() {
        return Err(wrong("expected `INSIDE:OUTSIDE:COUNT`, as `0:100000:65536`"));
    }
    let fits = |first: u32| first.checked_add(count - 1).is_some_and(|last| last <= most);
    if !fits(inside) || !fits(outside) {
        return Err(wrong("the range goes beyond the largest id"));
    }
    Ok(IdRange { inside, outside, count })
}

fn timens(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let time = &mut draft.request.namespaces.time;
    match (text.as_bytes() == b"true", &time) {
        (false, _) => *time = TimeNamespace::Host,
        (true, TimeNamespace::Host) => {
            *time = TimeNamespace::Offsets { monotonic_seconds: 0, boottime_seconds: 0 };
        }
        (true, TimeNamespace::Offsets { .. }) => {}
    }
    Ok(())
}

fn time_offset(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let text = value::utf8(text)?;
    let (clock, amount) = text.split_once('=').map_or((None, text), |(clock, amount)| (Some(clock), amount));
    let seconds = signed_seconds(amount)?;
    let (mut monotonic, mut boottime) = match draft.request.namespaces.time {
        TimeNamespace::Host => (0, 0),
        TimeNamespace::Offsets { monotonic_seconds, boottime_seconds } => {
            (monotonic_seconds, boottime_seconds)
        }
    };
    match clock {
        None => (monotonic, boottime) = (seconds, seconds),
        Some("monotonic") => monotonic = seconds,
        Some("boottime") => boottime = seconds,
        Some(_) => return Err(wrong("the clock is `monotonic` or `boottime`")),
    }
    draft.request.namespaces.time =
        TimeNamespace::Offsets { monotonic_seconds: monotonic, boottime_seconds: boottime };
    Ok(())
}

fn signed_seconds(text: &str) -> Result<i64, Error> {
    let (negative, amount) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let amount = duration::parse(amount)?;
    if amount.subsec_nanos() != 0 || amount > Duration::from_secs(i64::MAX as u64) {
        return Err(wrong("expected whole seconds"));
    }
    let seconds = amount.as_secs() as i64;
    Ok(if negative { -seconds } else { seconds })
}

fn sysctl(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let (name, value) = fields::key_value(text);
    let (name, value) = (value::utf8(&name)?, value.ok_or_else(|| wrong("expected `NAME=VALUE`"))?);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    if name.is_empty() || !name.chars().all(plain) || name.split(['.', '/']).any(str::is_empty) {
        return Err(wrong(format!("{} is not the name of a kernel setting", quote(&name.into()))));
    }
    let name = name.replace('/', ".");
    draft.request.sysctls.insert(name, value::utf8(&value)?.to_owned());
    Ok(())
}

fn isolation(_: &mut Draft, text: &OsText) -> Result<(), Error> {
    match value::utf8(text)? {
        "default" | "process" => Ok(()),
        "hyperv" | "vm" => {
            Err(not_offered("virtual machines are not offered yet").with_hint("use `--isolation process`"))
        }
        _ => Err(wrong("expected `process`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(read: fn(&mut Draft, &OsText) -> Result<(), Error>, texts: &[&str]) -> Draft {
        let mut draft = Draft::default();
        for text in texts {
            read(&mut draft, &OsText::from(*text)).unwrap();
        }
        draft
    }

    fn refused(read: fn(&mut Draft, &OsText) -> Result<(), Error>, texts: &[&str]) {
        for text in texts {
            assert!(read(&mut Draft::default(), &OsText::from(*text)).is_err(), "{text}");
        }
    }

    #[test]
    fn time_offsets_are_signed_and_per_clock() {
        let draft = apply(time_offset, &["1h", "boottime=-5"]);
        let expected = TimeNamespace::Offsets { monotonic_seconds: 3600, boottime_seconds: -5 };
        assert_eq!(draft.request.namespaces.time, expected);
        refused(time_offset, &["", "1.5s", "realtime=5", "--5", "9999999999999999999"]);
    }

    #[test]
    fn hosts_take_both_address_families() {
        let draft = apply(add_host, &["db:10.0.0.5", "v6:::1", "six=[fe80::1]"]);
        let expected = [("db", "10.0.0.5"), ("v6", "::1"), ("six", "fe80::1")];
        assert_eq!(
            draft.request.extra_hosts,
            expected.map(|(name, address)| (name.to_owned(), address.to_owned()))
        );
        refused(
            add_host,
            &["", "db", "db:", ":10.0.0.5", "db:10.0.0.256", "db:host-gateway", "a b:1.2.3.4", "#x:1.2.3.4"],
        );
    }

    #[test]
    fn ranges_of_ids_do_not_wrap() {
        let draft = apply(uidmap, &["0:100000:65536"]);
        assert_eq!(draft.uid_ranges, [IdRange { inside: 0, outside: 100_000, count: 65_536 }]);
        refused(uidmap, &["", "0:1", "0:0:0", "0:1:2:3", "4294967295:0:1", "1:1:4294967295", "-1:0:1"]);
    }

    #[test]
    fn the_last_network_counts() {
        let draft = apply(network, &["container:web", "host"]);
        assert_eq!((draft.request.network, draft.joined), (Network::Host, vec![]));
        refused(network, &["", "bridge", "mynet", "container:"]);
    }

    #[test]
    fn settings_need_a_name_and_a_value() {
        let draft = apply(sysctl, &["net/ipv4/ip_forward=1", "kernel.msgmax="]);
        assert_eq!(draft.request.sysctls.get("net.ipv4.ip_forward").map(String::as_str), Some("1"));
        refused(sysctl, &["", "=1", "net.ipv4.ip_forward", "net..x=1", "../x=1", "a b=1"]);
    }
}
