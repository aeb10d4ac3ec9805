//! Which function does what.

use std::sync::Arc;

use serde_json::{Value, json};
use sim_protocol::{Call, codes};

use crate::answer::{Answer, OrRefuse, Refusal, Success};
use crate::machine::Machine;
use crate::server::{Client, Service, Work, unknown};
use crate::world::{Bound, Exit, State, Target, World};
use crate::{faults, layers, network, processes, properties, systems};

/// A call with what it needs to be done.
pub struct Context<'a> {
    pub service: &'a Arc<Service>,
    pub client: &'a Arc<Client>,
    pub call: &'a Call,
}

impl Context<'_> {
    /// A text argument, empty when it was null.
    pub fn text(&self, name: &str) -> &str {
        self.call.arguments[name].as_str().unwrap_or_default()
    }

    /// A text argument that may be null.
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.call.arguments[name].as_str()
    }

    pub fn number(&self, name: &str) -> u64 {
        self.call.arguments[name].as_u64().unwrap_or_default()
    }

    /// What the handle in the argument stands for.
    pub fn target(&self, world: &World, name: &str) -> Answer<Target> {
        let bound = world.bound.get(&(self.client.number, self.number(name)));
        bound.map(|bound| bound.target).ok_or_else(|| Refusal::new(codes::E_HANDLE, "the handle is dead"))
    }

    pub fn system(&self, world: &World, name: &str) -> Answer<u64> {
        match self.target(world, name)? {
            Target::System(number) => Ok(number),
            Target::Process(..) => Err(Refusal::new(codes::E_HANDLE, "a process's handle")),
        }
    }

    pub fn process(&self, world: &World) -> Answer<(u64, u32)> {
        match self.target(world, "process")? {
            Target::Process(system, process) => Ok((system, process)),
            Target::System(_) => Err(Refusal::new(codes::E_HANDLE, "a compute system's handle")),
        }
    }

    pub fn bind(&self, world: &mut World, target: Target) {
        let bound = Bound { client: Arc::clone(self.client), target, events: false };
        world.bound.insert((self.client.number, self.number("handle")), bound);
    }
}

pub fn perform(service: &Arc<Service>, client: &Arc<Client>, call: &Call) -> Work {
    let context = Context { service, client, call };
    if let Some(work) = processes::perform(&context).or_else(|| systems::perform(&context)) {
        return work;
    }
    if let Some(work) = layers::perform(&context).or_else(|| network::perform(&context)) {
        return work;
    }
    Work::Done(match call.function.as_str() {
        "HcsGetServiceProperties" => properties::service(context.optional("query")),
        "HcsModifyServiceSettings" => properties::modify_service(service, context.text("settings")),
        "HcsSubmitWerReport" => crate::schema::parse("CrashReport", context.text("settings"))
            .map(|_| Success::default())
            .map_err(Refusal::from),
        "HcsGrantVmAccess"
        | "GrantVmAccess"
        | "HcsRevokeVmAccess"
        | "HcsGrantVmGroupAccess"
        | "HcsRevokeVmGroupAccess" => access(&context),
        "HcsCreateEmptyGuestStateFile" | "HcsCreateEmptyRuntimeStateFile" => state_file(&context),
        "subscribe" => subscribe(&context),
        "local" | "misuse" => local(&context),
        "leaks" => leaks(&context),
        "sim.log" => Ok(Success::values(service.log.entries(context.number("process") as u32).into())),
        "sim.faults" => set_faults(&context),
        "sim.state" => Ok(Success::values(state(&service.world(), &service.machine))),
        _ => unknown(call),
    })
}

/// The id of the system that the call is about.
pub fn system_id(world: &World, client: &Client, call: &Call) -> Option<String> {
    let of = |name: &str| {
        world.bound.get(&(client.number, call.arguments[name].as_u64()?)).map(|bound| bound.target)
    };
    let target = of("system").or_else(|| of("process")).or_else(|| of("handle"));
    match target {
        Some(Target::System(number) | Target::Process(number, _)) => {
            world.systems.get(&number).map(|system| system.id.clone())
        }
        None => call.arguments["id"].as_str().map(str::to_owned),
    }
}

/// A call that the stand-in answered itself, or that it refused: only for the record.
fn local(_: &Context<'_>) -> Answer {
    Ok(Success::default())
}

/// Texts that a client had not freed when it ended.
fn leaks(context: &Context<'_>) -> Answer {
    for text in context.call.arguments["texts"].as_array().into_iter().flatten() {
        let what = json!({"of": "text", "library": context.client.library, "text": text});
        context.service.log.note(context.client.process, "leak", what);
    }
    Ok(Success::default())
}

fn subscribe(context: &Context<'_>) -> Answer {
    let mut world = context.service.world();
    let key = (context.client.number, context.number("handle"));
    let bound =
        world.bound.get_mut(&key).ok_or_else(|| Refusal::new(codes::E_HANDLE, "the handle is dead"))?;
    bound.events = context.call.arguments["on"].as_bool().unwrap_or_default();
    Ok(Success::default())
}

fn set_faults(context: &Context<'_>) -> Answer {
    let rules = faults::rules(&context.call.arguments["rules"])
        .map_err(|message| Refusal::new(codes::E_INVALIDARG, message))?;
    context.service.set_rules(context.number("process") as u32, context.text("name"), rules);
    Ok(Success::default())
}

fn access(context: &Context<'_>) -> Answer {
    let file = context.text("file").to_ascii_lowercase();
    if context.service.machine.path(&file).is_none() {
        return Err(Refusal::new(codes::FILE_NOT_FOUND, format!("no file {file}")));
    }
    let id = context.optional("id").unwrap_or("S-1-5-83-0").to_ascii_lowercase();
    let mut world = context.service.world();
    world.grants.retain(|grant| *grant != (id.clone(), file.clone()));
    if context.call.function.contains("Grant") {
        world.grants.push((id, file));
    }
    Ok(Success::default())
}

/// An empty file of a virtual machine's state.
fn state_file(context: &Context<'_>) -> Answer {
    let (path, machine) = (context.text("file"), &context.service.machine);
    if machine.path(path).is_some() {
        return Err(Refusal::new(codes::FILE_EXISTS, format!("{path} exists")));
    }
    std::fs::write(machine.new_file(path)?, b"").or_refuse("making the file")?;
    Ok(Success::default())
}

/// What exists, for tests that look for leftovers.
fn state(world: &World, machine: &Machine) -> Value {
    let systems = world.systems.values().filter(|system| system.state != State::Stopped);
    json!({
        "systems": systems.map(|system| &system.id).collect::<Vec<_>>(),
        "handles": world.bound.len(),
        "containers": rustix::process::geteuid().is_root(),
        "layers": world.layers.described(machine),
        "networks": world.networks.described(),
    })
}

/// The container of the call's system dies.
pub fn crash(service: &Arc<Service>, client: &Arc<Client>, call: &Call) {
    let context = Context { service, client, call };
    let number = {
        let world = service.world();
        let name =
            ["system", "process", "handle"].into_iter().find_map(|name| context.target(&world, name).ok());
        match name {
            Some(Target::System(number) | Target::Process(number, _)) => number,
            None => return,
        }
    };
    systems::stop(service, number, &Exit::CRASHED);
}

/// A client is gone: what it had open is closed, and said to be a leak.
pub fn forget(service: &Arc<Service>, client: &Client) {
    let mut world = service.world();
    let own: Vec<(u64, u64)> =
        world.bound.keys().filter(|(number, _)| *number == client.number).copied().collect();
    let mut closed = Vec::new();
    for key in own {
        if let Some(bound) = world.bound.remove(&key) {
            closed.push(bound.target);
            let id = match bound.target {
                Target::System(number) | Target::Process(number, _) => {
                    world.systems.get(&number).map(|system| system.id.clone())
                }
            };
            let what = if matches!(bound.target, Target::System(_)) { "system" } else { "process" };
            service.log.note(client.process, "leak", json!({"handle": key.1, "of": what, "system": id}));
        }
    }
    drop(world);
    service.log.note(client.process, "detach", json!({"library": client.library, "leaks": closed.len()}));
    layers::forget(service, client.number);
    network::forget(service, client.number);
    closed.into_iter().for_each(|target| systems::closed(service, target));
}
