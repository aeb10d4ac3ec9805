//! Processes in compute systems.

use std::sync::Arc;

use serde_json::{Value, json};
use sim_protocol::codes;

use crate::answer::{Answer, OrRefuse, Refusal, Success};
use crate::calls::Context;
use crate::schema;
use crate::server::{Service, Work};
use crate::streams;
use crate::systems::{announce_process, document, live};
use crate::world::{Kind, Process, State, Target};

/// What other waiters see of a process that was killed: ERROR_PROCESS_ABORTED.
const ABORTED: u32 = 1067;

pub fn perform(context: &Context<'_>) -> Option<Work> {
    Some(match context.call.function.as_str() {
        "HcsCreateProcess" => create(context),
        "HcsOpenProcess" => open(context).into(),
        "HcsCloseProcess" => close(context).into(),
        "HcsGetProcessInfo" => info(context).into(),
        "HcsGetProcessProperties" => status(context).into(),
        "HcsSignalProcess" => signal(context),
        "HcsTerminateProcess" => terminate(context),
        "HcsModifyProcess" => modify(context).unwrap_or_else(|refusal| Work::Done(Err(refusal))),
        "HcsWaitForProcessExit" => wait(context),
        _ => return None,
    })
}

fn refuse<T>(code: u32, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(code, message))
}

fn create(context: &Context<'_>) -> Work {
    let name =
        if context.call.arguments["generation"] == 1 { "schema1.ProcessConfig" } else { "ProcessParameters" };
    let prepared = document(name, context.optional("document")).and_then(|parameters| {
        check(&parameters)?;
        let mut world = context.service.world();
        let number = context.system(&world, "system")?;
        let system = live(&mut world, number)?;
        if system.state != State::Running {
            return refuse(codes::INVALID_STATE, format!("'{}' does not run", system.id));
        }
        if system.kind == Kind::Machine {
            return refuse(codes::NOT_SUPPORTED, format!("'{}' has no guest connection", system.id));
        }
        let container = system.container.clone();
        let container =
            container.ok_or_else(|| Refusal::new(codes::E_UNEXPECTED, "a container without one"))?;
        Ok((number, container, parameters))
    });
    let (number, container, parameters) = match prepared {
        Ok(prepared) => prepared,
        Err(refusal) => return Work::Done(Err(refusal)),
    };
    let (service, client, handle) =
        (Arc::clone(context.service), Arc::clone(context.client), context.number("handle"));
    Work::Later(Box::new(move || {
        let flag = |key: &str| parameters[key].as_bool().unwrap_or_default();
        let wanted = ["CreateStdInPipe", "CreateStdOutPipe", "CreateStdErrPipe"].map(flag);
        let streams = streams::make(&service, wanted).or_refuse("making pipes")?;
        let (tickets, ends) = (streams.tickets, streams.ends);
        let (id, ending) = container.spawn(&parameters, streams.stdio)?;
        {
            let mut world = service.world();
            let system = live(&mut world, number)?;
            system.processes.insert(
                id,
                Process { id, exit: None, ends, creator: client.number, console: flag("EmulateConsole") },
            );
            let target = Target::Process(number, id);
            world.bound.insert(
                (client.number, handle),
                crate::world::Bound { client: Arc::clone(&client), target, events: false },
            );
        }
        std::thread::spawn(move || {
            let code = ending();
            announce_process(&service, &mut service.world(), number, id, code);
            service.changed.notify_all();
        });
        Ok(Success::values(json!({"process": id, "tickets": tickets})))
    }))
}

fn check(parameters: &Value) -> Answer<()> {
    let given = |key: &str| parameters[key].as_str().is_some_and(|text| !text.is_empty());
    if !given("CommandLine") && !given("ApplicationName") {
        return refuse(codes::E_INVALIDARG, "Invalid JSON document '$.CommandLine': none");
    }
    let console = parameters["EmulateConsole"].as_bool().unwrap_or_default();
    if console && parameters["CreateStdErrPipe"].as_bool().unwrap_or_default() {
        return refuse(codes::E_INVALIDARG, "a console has no standard error of its own");
    }
    match parameters["ConsoleSize"].as_array() {
        Some(size) if size.len() != 2 => refuse(codes::INVALID_JSON, "Invalid JSON document '$.ConsoleSize'"),
        _ => Ok(()),
    }
}

fn open(context: &Context<'_>) -> Answer {
    let mut world = context.service.world();
    let number = context.system(&world, "system")?;
    let id = context.number("id") as u32;
    if live(&mut world, number)?.processes.get(&id).is_none_or(|process| process.exit.is_some()) {
        return refuse(codes::ELEMENT_NOT_FOUND, format!("no process {id}"));
    }
    context.bind(&mut world, Target::Process(number, id));
    Ok(Success::default())
}

fn close(context: &Context<'_>) -> Answer {
    let mut world = context.service.world();
    context.process(&world)?;
    world.bound.remove(&(context.client.number, context.number("process")));
    world.sweep();
    Ok(Success::default())
}

fn info(context: &Context<'_>) -> Answer {
    let world = context.service.world();
    let (number, id) = context.process(&world)?;
    match world.systems.get(&number).and_then(|system| system.processes.get(&id)) {
        Some(process) if process.exit.is_none() => {
            Ok(Success::values(json!({"process": id, "tickets": [0, 0, 0]})))
        }
        _ => refuse(codes::PROCESS_ALREADY_STOPPED, format!("the process {id} has ended")),
    }
}

fn status(context: &Context<'_>) -> Answer {
    let world = context.service.world();
    let (number, id) = context.process(&world)?;
    let process = world.systems.get(&number).and_then(|system| system.processes.get(&id));
    let process =
        process.ok_or_else(|| Refusal::new(codes::ELEMENT_NOT_FOUND, format!("no process {id}")))?;
    Ok(Success::document(&process.status()))
}

/// The process, if it can be told something.
fn running(context: &Context<'_>) -> Answer<(u64, u32, Arc<crate::container::Container>)> {
    let mut world = context.service.world();
    let (number, id) = context.process(&world)?;
    let system = live(&mut world, number)?;
    let alive = system.processes.get(&id).is_some_and(|process| process.exit.is_none());
    match system.container.clone().filter(|_| alive) {
        Some(container) => Ok((number, id, container)),
        None => refuse(codes::PROCESS_ALREADY_STOPPED, format!("the process {id} has ended")),
    }
}

fn signal(context: &Context<'_>) -> Work {
    let prepared = (|| {
        let options = match context.optional("options") {
            None | Some("") => Value::Null,
            Some(text) => schema::parse("SignalProcessOptions", text)?,
        };
        let (_, id, container) = running(context)?;
        let name = options["Signal"].as_str().unwrap_or("CtrlShutdown").to_owned();
        Ok((id, container, name))
    })();
    match prepared {
        Err(refusal) => Work::Done(Err(refusal)),
        Ok((id, container, name)) => {
            Work::Later(Box::new(move || container.signal(id, &name).map(|()| Success::default())))
        }
    }
}

fn terminate(context: &Context<'_>) -> Work {
    match running(context) {
        Err(refusal) => Work::Done(Err(refusal)),
        Ok((_, id, container)) => {
            Work::Later(Box::new(move || container.terminate(id, ABORTED).map(|()| Success::default())))
        }
    }
}

fn modify(context: &Context<'_>) -> Answer<Work> {
    let request = document("ProcessModifyRequest", context.optional("settings"))?;
    let (number, id, container) = running(context)?;
    match request["Operation"].as_str() {
        Some("ConsoleSize") => {
            let size = &request["ConsoleSize"];
            let side = |key: &str| size[key].as_u64().filter(|value| *value > 0);
            if side("Height").is_none() || side("Width").is_none() {
                return refuse(codes::E_INVALIDARG, format!("the console size {size}"));
            }
            if !on_console(context, number, id) {
                return refuse(codes::E_INVALIDARG, format!("the process {id} has no console"));
            }
            let size = size.clone();
            return Ok(Work::Later(Box::new(move || {
                container.resize(id, &size).map(|()| Success::default())
            })));
        }
        Some("CloseHandle") => close_stream(
            context.service,
            context.client.number,
            number,
            id,
            &request["CloseHandle"]["Handle"],
        ),
        _ => return refuse(codes::E_INVALIDARG, "no operation"),
    }
    Ok(Work::Done(Ok(Success::default())))
}

fn on_console(context: &Context<'_>, number: u64, id: u32) -> bool {
    let world = context.service.world();
    world
        .systems
        .get(&number)
        .and_then(|system| system.processes.get(&id))
        .is_some_and(|process| process.console)
}

/// The creator's stand-in still has bytes of standard input on the way, and ends it behind them itself.
fn close_stream(service: &Service, client: u64, number: u64, id: u32, handle: &Value) {
    let world = service.world();
    let process = world.systems.get(&number).and_then(|system| system.processes.get(&id));
    if let (Some(process), Some(name)) = (process, handle.as_str()) {
        process.ends.close(name, process.creator != client);
    }
}

fn wait(context: &Context<'_>) -> Work {
    let service = Arc::clone(context.service);
    let (number, id) = match context.process(&service.world()) {
        Ok(found) => found,
        Err(refusal) => return Work::Done(Err(refusal)),
    };
    Work::Later(Box::new(move || {
        let status = service.wait(|world| {
            let process = world.systems.get(&number).and_then(|system| system.processes.get(&id));
            match process {
                None => Some(None),
                Some(process) => process.exit.map(|_| Some(process.status())),
            }
        });
        status
            .map(|status| Success::document(&status))
            .ok_or_else(|| Refusal::new(codes::ELEMENT_NOT_FOUND, format!("no process {id}")))
    }))
}
