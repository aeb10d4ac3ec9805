//! Compute systems: their life from creation to exit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;
use sim_protocol::codes;

use crate::answer::{Answer, OrRefuse, Refusal, Success};
use crate::calls::Context;
use crate::container::{Container, Order};
use crate::documents::{self, Wanted};
use crate::server::{Service, Work};
use crate::streams::Ends;
use crate::world::{Exit, Kind, State, System, Target, World};
use crate::{disks, machine, modify, network, properties, schema};

/// Kinds of events on systems and processes.
const SYSTEM_EXITED: u32 = 1;
const CRASH_INITIATED: u32 = 2;
const CRASH_REPORT: u32 = 3;
const PROCESS_EXITED: u32 = 0x0001_0000;

/// How a program ends that is told to by the system's end, if it does not say itself.
const CONTROL_C_EXIT: u32 = 0xC000_013A;

pub fn perform(context: &Context<'_>) -> Option<Work> {
    Some(match context.call.function.as_str() {
        "HcsCreateComputeSystem" | "HcsCreateComputeSystemInNamespace" => create(context, false).into(),
        "v1.HcsCreateComputeSystem" => create(context, true).into(),
        "HcsOpenComputeSystem" | "HcsOpenComputeSystemInNamespace" => open(context).into(),
        "HcsCloseComputeSystem" => close(context).into(),
        "HcsStartComputeSystem" => start(context),
        "HcsShutDownComputeSystem" => shut_down(context),
        "HcsTerminateComputeSystem" => terminate(context),
        "HcsCrashComputeSystem" => crash(context),
        "HcsPauseComputeSystem" => pause(context, true).into(),
        "HcsResumeComputeSystem" => pause(context, false).into(),
        "HcsSaveComputeSystem" => save(context).into(),
        "HcsGetComputeSystemProperties" => properties::system(context),
        "HcsModifyComputeSystem" => modify::perform(context).into(),
        "HcsEnumerateComputeSystems" | "HcsEnumerateComputeSystemsInNamespace" => {
            properties::enumerate(context).into()
        }
        "HcsWaitForComputeSystemExit" => wait(context),
        _ => return None,
    })
}

fn refuse<T>(code: u32, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(code, message))
}

/// A document's text as the function got it: absent and empty are two ways of being wrong.
pub fn document(name: &str, text: Option<&str>) -> Answer<Value> {
    match text {
        None => refuse(codes::E_INVALIDARG, "no document"),
        Some(text) => Ok(schema::parse(name, text)?),
    }
}

/// Options that may be absent, or empty as the client sends them.
fn options(name: &str, text: Option<&str>) -> Answer<Value> {
    match text {
        None | Some("") => Ok(Value::Null),
        Some(text) => Ok(schema::parse(name, text)?),
    }
}

fn create(context: &Context<'_>, first: bool) -> Answer {
    let id = context.text("id");
    if id.is_empty() || id.len() > 255 {
        return refuse(codes::E_INVALIDARG, "the id is empty or too long");
    }
    let name = if first { "schema1.ContainerConfig" } else { "ComputeSystem" };
    let document = document(name, context.optional("document"))?;
    let mut world = context.service.world();
    if world.by_id(id).is_some() {
        return refuse(codes::SYSTEM_ALREADY_EXISTS, format!("the id '{id}' is in use"));
    }
    let machine = &context.service.machine;
    let wanted = match first {
        true => documents::examine_first(&world, machine, &document)?,
        false => documents::examine(&world, machine, &document)?,
    };
    let scratch = wanted.scratch.as_deref().map(|layer| disks::find(machine, layer)).transpose()?;
    let scratch = scratch.map(|disk| disk.content);
    let busy = |system: &System| system.state != State::Stopped && system.scratch == scratch;
    if scratch.is_some() && world.systems.values().any(busy) {
        return refuse(codes::SHARING_VIOLATION, "another compute system uses the scratch");
    }
    let endpoints = network::join(&mut world, id, &wanted)?;
    let number = world.next_system + 1;
    world.next_system = number;
    let container = scratch.as_ref().map(|scratch| {
        Arc::new(Container::new(machine, order(&world, machine, number, &wanted, scratch.clone())))
    });
    let system = System {
        id: id.to_owned(),
        runtime_id: machine::new_guid(),
        owner: wanted.owner,
        kind: wanted.kind,
        state: State::Created,
        document,
        started: None,
        terminate_on_last_handle: wanted.terminate_on_last_handle,
        exit: None,
        container,
        processes: BTreeMap::new(),
        scratch,
        endpoints,
    };
    world.systems.insert(number, system);
    context.bind(&mut world, Target::System(number));
    Ok(Success::default())
}

fn order(
    world: &World,
    machine: &machine::Machine,
    number: u64,
    wanted: &Wanted,
    scratch: std::path::PathBuf,
) -> Order {
    let layer = |path: &String| machine.path(path).and_then(|path| machine::entry(&path, "Files"));
    Order {
        number,
        layers: wanted.layers.iter().filter_map(layer).collect(),
        scratch,
        merged: wanted.scratch.as_deref().and_then(|folder| world.layers.merged(folder)),
        host_name: wanted.host_name.clone(),
        memory_mb: wanted.memory_mb,
        processor: wanted.processor.clone(),
        mapped: wanted.mapped.clone(),
    }
}

fn open(context: &Context<'_>) -> Answer {
    const GENERIC_ALL: u64 = 0x1000_0000;
    let mut world = context.service.world();
    let number = world.by_id(context.text("id"));
    let number = number.ok_or_else(|| {
        Refusal::new(codes::SYSTEM_NOT_FOUND, format!("no compute system '{}'", context.text("id")))
    })?;
    if context.number("access") != GENERIC_ALL {
        return refuse(codes::E_INVALIDARG, "the access is not GENERIC_ALL");
    }
    context.bind(&mut world, Target::System(number));
    Ok(Success::default())
}

fn close(context: &Context<'_>) -> Answer {
    let target = {
        let mut world = context.service.world();
        let number = context.system(&world, "system")?;
        world.bound.remove(&(context.client.number, context.number("system")));
        Target::System(number)
    };
    closed(context.service, target);
    Ok(Success::default())
}

/// A handle of the target was closed; it may have been the last.
pub fn closed(service: &Arc<Service>, target: Target) {
    let mut world = service.world();
    if let Target::System(number) = target
        && !world.has_handles(number)
        && let Some(system) = world.systems.get(&number)
        && system.state != State::Stopped
        && system.terminate_on_last_handle
    {
        drop(world);
        stop(service, number, &Exit::TERMINATED);
        world = service.world();
    }
    world.sweep();
}

/// The system, if it can be told something.
pub fn live(world: &mut World, number: u64) -> Answer<&mut System> {
    let system = world.systems.get_mut(&number);
    let system = system.ok_or_else(|| Refusal::new(codes::SYSTEM_NOT_FOUND, "the compute system is gone"))?;
    if system.state == State::Stopped {
        return refuse(codes::SYSTEM_ALREADY_STOPPED, format!("'{}' has stopped", system.id));
    }
    Ok(system)
}

fn start(context: &Context<'_>) -> Work {
    let service = Arc::clone(context.service);
    let prepared = options("any", context.optional("options")).and_then(|_| {
        let mut world = service.world();
        let number = context.system(&world, "system")?;
        let system = live(&mut world, number)?;
        if system.state != State::Created {
            return refuse(codes::INVALID_STATE, format!("'{}' was started", system.id));
        }
        let (container, endpoints) = (system.container.clone(), system.endpoints.clone());
        if system.kind == Kind::Machine {
            let id = system.id.clone();
            let document = system.document.clone();
            check_disks(&world, &id, &document)?;
            live(&mut world, number)?.state = State::Starting;
        } else {
            system.state = State::Starting;
        }
        Ok((number, container, network::interfaces(&world, &endpoints)))
    });
    match prepared {
        Err(refusal) => Work::Done(Err(refusal)),
        Ok((number, container, cards)) => Work::Later(Box::new(move || {
            let begun = container.map_or(Ok(()), |container| container.start(&service.machine, &cards));
            started(&service, number, begun)
        })),
    }
}

fn started(service: &Arc<Service>, number: u64, begun: Answer<()>) -> Answer {
    let mut world = service.world();
    let system = live(&mut world, number)
        .map_err(|_| Refusal::new(codes::TERMINATED_DURING_START, "it was terminated while it started"))?;
    if let Err(refusal) = begun {
        drop(world);
        stop(service, number, &Exit { status: refusal.hresult, ..Exit::CRASHED });
        return Err(refusal);
    }
    system.state = State::Running;
    system.started = Some(SystemTime::now());
    drop(world);
    service.changed.notify_all();
    Ok(Success::default())
}

/// A virtual machine can only start from disks that it may open.
fn check_disks(world: &World, id: &str, document: &Value) -> Answer<()> {
    let controllers = document["VirtualMachine"]["Devices"]["Scsi"].as_object().into_iter().flatten();
    let attachments =
        controllers.flat_map(|(_, controller)| controller["Attachments"].as_object().into_iter().flatten());
    for (_, attachment) in attachments {
        let path = attachment["Path"].as_str().unwrap_or_default().to_ascii_lowercase();
        let granted = |grant: &&(String, String)| {
            grant.1 == path && (grant.0.eq_ignore_ascii_case(id) || grant.0 == "s-1-5-83-0")
        };
        if !world.grants.iter().any(|grant| granted(&grant)) {
            return refuse(codes::E_ACCESSDENIED, format!("the virtual machine '{id}' may not open {path}"));
        }
    }
    Ok(())
}

fn shut_down(context: &Context<'_>) -> Work {
    let service = Arc::clone(context.service);
    let prepared = (|| {
        let mut world = service.world();
        let number = context.system(&world, "system")?;
        let system = live(&mut world, number)?;
        if system.kind == Kind::Machine {
            let options = match context.optional("options") {
                None | Some("") => return refuse(codes::INVALID_JSON, "Invalid JSON document '$'"),
                Some(text) => schema::parse("ShutdownOptions", text)?,
            };
            let integrated = options["Mechanism"] == "IntegrationService"
                && system.document["VirtualMachine"]["Services"]["Shutdown"].is_object();
            if !integrated {
                return refuse(codes::NOT_SUPPORTED, "the virtual machine has no such way to shut down");
            }
        } else {
            options("ShutdownOptions", context.optional("options"))?;
        }
        if !matches!(system.state, State::Running) {
            return refuse(codes::INVALID_STATE, format!("'{}' does not run", system.id));
        }
        Ok(number)
    })();
    match prepared {
        Err(refusal) => Work::Done(Err(refusal)),
        // The operation ends when the request is delivered, not when the system has stopped.
        Ok(number) => {
            std::thread::spawn(move || stop(&service, number, &Exit::SHUT_DOWN));
            Work::Done(Ok(Success::default()))
        }
    }
}

fn terminate(context: &Context<'_>) -> Work {
    let prepared = options("any", context.optional("options")).and_then(|_| {
        let mut world = context.service.world();
        let number = context.system(&world, "system")?;
        live(&mut world, number).map(|_| number)
    });
    ended(context, prepared, Exit::TERMINATED)
}

fn crash(context: &Context<'_>) -> Work {
    let prepared = options("CrashOptions", context.optional("options")).and_then(|_| {
        let mut world = context.service.world();
        let number = context.system(&world, "system")?;
        match live(&mut world, number)?.kind {
            Kind::Machine => Ok(number),
            _ => refuse(codes::NOT_SUPPORTED, "only virtual machines crash on demand"),
        }
    });
    ended(context, prepared, Exit { status: codes::GUEST_CRITICAL_ERROR, ..Exit::CRASHED })
}

fn ended(context: &Context<'_>, prepared: Answer<u64>, exit: Exit) -> Work {
    let service = Arc::clone(context.service);
    match prepared {
        Err(refusal) => Work::Done(Err(refusal)),
        Ok(number) => Work::Later(Box::new(move || {
            stop(&service, number, &exit);
            Ok(Success::default())
        })),
    }
}

/// Ends the system, and tells everybody. A system that has stopped stays as it is.
pub fn stop(service: &Arc<Service>, number: u64, exit: &Exit) {
    let crashes = exit.kind == "UnexpectedExit";
    let (container, report) = {
        let mut world = service.world();
        let Ok(system) = live(&mut world, number) else { return };
        let (container, report) = (system.container.clone(), crash_report(&system.id, exit));
        if crashes {
            announce(service, &world, number, "SystemCrashInitiated", CRASH_INITIATED, &report);
        }
        (container, report)
    };
    if let Some(container) = container {
        container.kill();
    }
    let mut world = service.world();
    let Ok(system) = live(&mut world, number) else { return };
    system.state = State::Stopped;
    system.exit = Some(exit.clone());
    let (id, endpoints) = (system.id.clone(), std::mem::take(&mut system.endpoints));
    let running: Vec<u32> = system
        .processes
        .values()
        .filter(|process| process.exit.is_none())
        .map(|process| process.id)
        .collect();
    network::leave(&mut world, &id, &endpoints);
    for process in running {
        announce_process(service, &mut world, number, process, CONTROL_C_EXIT);
    }
    if crashes {
        announce(service, &world, number, "SystemCrashReport", CRASH_REPORT, &report);
    }
    announce(service, &world, number, "SystemExited", SYSTEM_EXITED, &exit.document());
    world.sweep();
    drop(world);
    network::settle(service);
    service.changed.notify_all();
}

/// The bug check that a critical process has died, with its four parameters.
fn crash_report(id: &str, exit: &Exit) -> Value {
    serde_json::json!({
        "SystemId": id,
        "ActivityId": machine::new_guid(),
        "CrashParameters": [0xEF, 0, 0, 0, 0],
        "Status": exit.status as i32,
    })
}

fn announce(service: &Service, world: &World, number: u64, name: &str, kind: u32, data: &Value) {
    let id = world.systems.get(&number).map_or("", |system| system.id.as_str());
    for (client, handle) in world.listeners(Target::System(number)) {
        service.event(&client, handle, id, name, kind, data);
    }
}

/// Records how a process ended and tells those who listen.
pub fn announce_process(service: &Service, world: &mut World, number: u64, process: u32, code: u32) {
    let Some(system) = world.systems.get_mut(&number) else { return };
    let id = system.id.clone();
    let Some(entry) = system.processes.get_mut(&process) else { return };
    if entry.exit.is_some() {
        return;
    }
    entry.exit = Some(code);
    entry.ends = Ends::default();
    let status = entry.status();
    for (client, handle) in world.listeners(Target::Process(number, process)) {
        service.event(&client, handle, &id, "ProcessExited", PROCESS_EXITED, &status);
    }
}

fn pause(context: &Context<'_>, on: bool) -> Answer {
    options("PauseOptions", context.optional("options"))?;
    let mut world = context.service.world();
    let number = context.system(&world, "system")?;
    let system = live(&mut world, number)?;
    let (from, to) = if on { (State::Running, State::Paused) } else { (State::Paused, State::Running) };
    if system.state != from {
        return refuse(codes::INVALID_STATE, format!("'{}' is {:?}", system.id, system.state));
    }
    if let Some(container) = &system.container {
        container.freeze(on).or_refuse("pausing the container")?;
    }
    system.state = to;
    Ok(Success::default())
}

/// Writes a paused machine's state to a file, or makes a template of the machine, which never runs again.
fn save(context: &Context<'_>) -> Answer {
    let options = options("SaveOptions", context.optional("options"))?;
    let machine = &context.service.machine;
    let mut world = context.service.world();
    let number = context.system(&world, "system")?;
    let system = live(&mut world, number)?;
    if system.state != State::Paused {
        return refuse(codes::INVALID_STATE, format!("'{}' is not paused", system.id));
    }
    if system.kind != Kind::Machine {
        return refuse(codes::NOT_SUPPORTED, "containers are not saved");
    }
    let of_document = &system.document["VirtualMachine"]["GuestState"]["RuntimeStateFilePath"];
    let Some(path) = options["SaveStateFilePath"].as_str().or(of_document.as_str()) else {
        return refuse(codes::E_INVALIDARG, "no file for the state");
    };
    let text = serde_json::json!({"Id": system.id, "Document": system.document}).to_string();
    let file = machine.new_file(path)?;
    std::fs::write(file, text).or_refuse("writing the state")?;
    if options["SaveType"] == "AsTemplate" {
        system.state = State::Template;
    }
    Ok(Success::default())
}

fn wait(context: &Context<'_>) -> Work {
    let service = Arc::clone(context.service);
    let number = match context.system(&context.service.world(), "system") {
        Ok(number) => number,
        Err(refusal) => return Work::Done(Err(refusal)),
    };
    Work::Later(Box::new(move || {
        // A system that nobody holds any more is swept, and is then waited for in vain.
        let exit = service.wait(|world| match world.systems.get(&number) {
            None => Some(None),
            Some(system) => system.exit.clone().map(Some),
        });
        exit.map(|exit| Success::document(&exit.document()))
            .ok_or_else(|| Refusal::new(codes::SYSTEM_NOT_FOUND, "the compute system is gone"))
    }))
}
