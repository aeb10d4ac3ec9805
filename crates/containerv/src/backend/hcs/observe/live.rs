//! Looks at what runs, and changes it.

use containerv_spec::hcs::machine::WindowsMachine;
use containerv_spec::hcs::network::FirstAnswer;
use containerv_spec::hcs::properties::{NetworkStats, PropertyQuery, PropertyType, Statistics};
use containerv_spec::plan::hcs::HcsIsolation;
use containerv_spec::request::{Network, Request};
use containerv_spec::{ContainerId, Limits};

use super::usage::{Counted, interface};
use super::{adjust, processes, usage};
use crate::backend::clock::now_unix_ns;
use crate::backend::events::{Announce, action};
use crate::backend::hcs::explain::Failure;
use crate::backend::hcs::probe;
use crate::backend::hcs::system::System;
use crate::lower;
use crate::lower::hcs::{LiveChange, Modification};
use crate::stats::{InterfaceStats, ProcessInfo, Stats};
use crate::{Error, ErrorKind, Result};

/// `ERROR_NOT_FOUND`.
const NOT_FOUND: u32 = 0x8007_0490;

/// A container that is about to be changed.
pub(super) struct Now<'a> {
    pub(super) request: &'a Request,
    pub(super) machine: WindowsMachine,
    pub(super) isolation: HcsIsolation,
    pub(super) running: bool,
}

impl System {
    /// Takes a snapshot of what a container uses.
    pub(crate) fn stats(&self, id: &ContainerId) -> Result<Stats> {
        let directory = self.directory(id)?;
        let request = directory.request()?;
        let running = self.running(&directory, &directory.journal()?)?;
        let counted = match running {
            None => Counted::nothing(),
            Some(running) => {
                let ask = |kind| running.system.properties(&PropertyQuery { property_types: vec![kind] });
                match ask(PropertyType::Statistics) {
                    Err(failure) if failure.is_no_system() => Counted::nothing(),
                    Err(failure) => {
                        let name = request.called();
                        return Err(failure.explain(&format!("cannot see what container `{name}` uses")));
                    }
                    Ok(properties) => Counted {
                        // A paused system does not tell.
                        processes: ask(PropertyType::ProcessList)
                            .ok()
                            .and_then(|properties| properties.process_list)
                            .map(|list| list.len()),
                        network: self.traffic(&request, properties.statistics.as_ref()),
                        statistics: properties.statistics,
                    },
                }
            }
        };
        Ok(usage::snapshot(now_unix_ns(), counted, &request))
    }

    /// What went through the container's own endpoint. The first generation counts it with the rest;
    /// else the network service does.
    fn traffic(&self, request: &Request, statistics: Option<&Statistics>) -> Option<Vec<InterfaceStats>> {
        let Network::Named(network) = &request.network else { return Some(Vec::new()) };
        let counted = statistics.map_or(&[][..], |statistics| &statistics.network);
        if !counted.is_empty() {
            return Some(counted.iter().map(|counted| interface(&network.name, counted)).collect());
        }
        let endpoint = self.store().tag().guid(&request.id, lower::hcs::Owned::Endpoint);
        let path = format!("/endpointstats/{endpoint}");
        let answer = self.windows().vmcompute.hns_call("GET", &path, "").ok()?;
        let answer: FirstAnswer<NetworkStats> = serde_json::from_str(&answer).ok()?;
        let counted = answer.output.filter(|_| answer.success)?;
        Some(vec![interface(&network.name, &counted)])
    }

    /// Lists the processes of a running container.
    pub(crate) fn processes(&self, id: &ContainerId) -> Result<Vec<ProcessInfo>> {
        let (directory, running) = self.running_now(id)?;
        let query = PropertyQuery { property_types: vec![PropertyType::ProcessList] };
        let properties = running.system.properties(&query).map_err(|failure| {
            let name = directory.called();
            let error = failure.explain(&format!("cannot list the processes of container `{name}`"));
            match running.paused {
                true => error.with_hint(format!("let it go on first: `cv unpause {name}`")),
                false => error,
            }
        })?;
        let first = directory.journal()?.process;
        Ok(processes::list(properties.process_list.unwrap_or_default(), first))
    }

    /// Changes limits, of the running container and for its next start.
    pub(crate) fn update(&self, id: &ContainerId, change: &Limits) -> Result<()> {
        self.change(id, |now| {
            let (limits, live) =
                lower::hcs::update(now.request, change, &now.machine, now.isolation, now.running)?;
            Ok((Request { limits, ..now.request.clone() }, live))
        })
    }

    /// Changes the request of a container, which is held meanwhile, and what runs of it, or neither.
    pub(super) fn change(
        &self,
        id: &ContainerId,
        lower: impl FnOnce(&Now<'_>) -> Result<(Request, Vec<LiveChange>)>,
    ) -> Result<()> {
        let directory = self.directory(id)?;
        let _lock = directory.lock()?;
        let (request, journal) = (directory.request()?, directory.journal()?);
        let failed = |error: Error| error.context(format!("cannot update container `{}`", request.called()));
        if journal.made.is_none() || journal.removing {
            let message = "it is being made or removed";
            return Err(failed(Error::new(ErrorKind::InvalidState, message)));
        }
        let running = self.running(&directory, &journal)?;
        let now = Now {
            request: &request,
            machine: probe::facts(self.windows())?.machine(Vec::new()),
            isolation: journal.isolation.unwrap_or(HcsIsolation::Process),
            running: running.is_some(),
        };
        let (changed, live) = lower(&now)?;
        let store = |which| {
            let request = if which == adjust::Request::New { &changed } else { &request };
            let json = serde_json::to_vec(request).map_err(|error| {
                Error::new(ErrorKind::Other, "cannot store the request").with_source(error)
            })?;
            directory.replace("config.json", &json)
        };
        let tell = |change: &Modification| {
            let told = running.as_ref().map_or(Ok(()), |running| running.system.modify(change));
            // A crash may have come between the record and the deed.
            let gone = |failure: &Failure| change.takes_away() && failure.is(NOT_FOUND);
            told.or_else(|failure| if gone(&failure) { Ok(()) } else { Err(failure) })
        };
        adjust::apply(&live, store, tell).map_err(failed)?;
        self.announce(&changed, action::UPDATE, &[]);
        Ok(())
    }

    pub(crate) fn enter(&self, _id: &ContainerId) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "a process of Windows cannot move into a container")
            .with_hint("start the program in it with `Container::exec`"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use containerv_spec::request::{Isolation, NamedNetwork};
    use containerv_spec::{Bound, ByteSize};

    use super::*;
    use crate::Container;
    use crate::backend::hcs::bed::Bed;

    fn on_nat(bed: &Bed, isolation: Isolation) -> Container {
        let network = NamedNetwork { name: "nat".to_owned(), address: None, mac_address: None };
        let builder = Container::builder(bed.image()).isolation(isolation);
        builder.network(Network::Named(network)).create(&bed.host).unwrap()
    }

    fn memory(mebibytes: u64) -> Limits {
        Limits { memory: Some(Bound::At(ByteSize::mib(mebibytes))), ..Limits::default() }
    }

    #[test]
    fn what_is_used_is_counted_in_both_generations() {
        let Some(bed) = Bed::new() else { return };
        for isolation in [Isolation::Process, Isolation::Vm] {
            let container = on_nat(&bed, isolation);
            let said = container.command("cmd").args(["/c", "echo hello"]).output().unwrap();
            assert!(said.status.success());
            let stats = container.stats().unwrap();
            assert!(stats.cpu_total_ns > 0 && stats.memory_usage > 1 << 20, "{stats:?}");
            assert_eq!(stats.network.len(), 1, "{isolation:?}: {stats:?}");
            for name in ["cpu_total_ns", "memory_peak", "pids_current", "io_read_bytes", "network"] {
                assert!(!stats.not_counted.contains(&name), "{isolation:?}: {name}");
            }
            assert!(stats.not_counted.contains(&"oom_kills"));
            container.pause().unwrap();
            let paused = container.stats().unwrap();
            assert!(paused.not_counted.contains(&"pids_current"), "{isolation:?}: {paused:?}");
            container.resume().unwrap();
            container.stop(Some(Duration::ZERO)).unwrap();
            let ended = container.stats().unwrap();
            assert!(ended.not_counted.contains(&"cpu_total_ns") && ended.network.is_empty());
            container.delete(true).unwrap();
        }
    }

    #[test]
    fn processes_are_listed_while_it_runs() {
        let Some(bed) = Bed::new() else { return };
        let container = bed.keeper(Isolation::Process).delete_on_drop();
        let mut child =
            container.command("cmd").args(["/q", "/d"]).stdin(crate::Stdio::Piped).spawn().unwrap();
        let processes = container.processes().unwrap();
        let found = processes.iter().find(|process| process.pid == child.id());
        assert_eq!(found.map(|process| process.name.as_str()), Some("cmd.exe"), "{processes:?}");
        drop(child.stdin.take());
        child.wait().unwrap();
        container.stop(Some(Duration::ZERO)).unwrap();
        assert_eq!(container.processes().unwrap_err().kind(), ErrorKind::InvalidState);
    }

    #[test]
    fn limits_change_now_and_for_the_next_start() {
        let Some(bed) = Bed::new() else { return };
        let container = bed.keeper(Isolation::Process);
        container.update(&Limits { cpu_count: Some(1), ..memory(256) }).unwrap();
        assert_eq!(container.stats().unwrap().memory_limit, Some(256 << 20));
        let stored = || bed.host.container(container.id().as_str()).unwrap().request().limits.clone();
        assert_eq!(stored(), Limits { cpu_count: Some(1), ..memory(256) });
        // All of it is refused, and nothing of it done.
        let refused = Limits { io_bytes: Some(1 << 20), ..memory(512) };
        let error = container.update(&refused).unwrap_err();
        assert_eq!((error.kind(), error.all_problems().len()), (ErrorKind::Unsupported, 1), "{error}");
        assert_eq!(stored().memory, memory(256).memory);
        container.stop(Some(Duration::ZERO)).unwrap();
        container.update(&refused).unwrap();
        container.start().unwrap();
        assert_eq!(stored(), Limits { cpu_count: Some(1), ..refused });
        container.delete(true).unwrap();
    }

    #[test]
    fn a_virtual_machine_is_changed_only_while_it_does_not_run() {
        let Some(bed) = Bed::new() else { return };
        let container = bed.keeper(Isolation::Vm);
        let error = container.update(&memory(512)).unwrap_err();
        assert!(error.to_string().contains("`--memory`") && error.hint().unwrap().contains("cv stop"));
        container.stop(Some(Duration::ZERO)).unwrap();
        container.update(&memory(512)).unwrap();
        container.start().unwrap();
        container.delete(true).unwrap();
    }
}
