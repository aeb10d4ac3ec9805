//! `plan`: what `run` and `create` would do, on this machine or on another system.

use containerv::{Error, PullPolicy, plan_windows};
use containerv_spec::hcs::machine::{KnownNetwork, Product, Rights, WindowsMachine};
use containerv_spec::hcs::network::NetworkType;
use containerv_spec::plan::Plan;
use containerv_spec::{ContainerId, OsText};

use super::{Session, find};
use crate::draft::{Draft, Target};
use crate::failure::Failure;
use crate::output;
use crate::platform::TARGET;
use crate::syntax::parse::{parse, wrong_value};
use crate::syntax::{Parsed, Verb, usage};
use crate::value::{self, fields, quote, wrong};

/// Prints what `run` or `create` would do.
pub fn plan(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let json = super::system::wants_json(parsed)?;
    let backend = parsed.read("backend", backend)?;
    let machine = parsed.read("machine", machine)?;
    let target = backend.unwrap_or(TARGET);
    // A plan for a named Windows is for a machine that is assumed, on Windows too.
    let here = target == TARGET && machine.is_none() && (backend.is_none() || target == Target::Linux);
    if machine.is_some() && target != Target::Windows {
        let error = usage("`--machine`: only a plan for Windows can be for a machine that is not this one");
        return Err(Failure::usage(error.with_hint("add `--backend hcs`")));
    }
    let id = parsed.read("id", |text| {
        text.parse::<ContainerId>().map_err(|_| wrong("expected 64 hexadecimal digits in lower case"))
    })?;
    let (verb, words) = verb(parsed)?;
    let (planned, mut problems) = parse(verb, words.iter().cloned());
    if !problems.is_empty() {
        problems.extend(Draft::read_for(&planned, target).1);
        return Err(problems.into());
    }
    if planned.switch("help") {
        output::print(crate::syntax::help::verb_help(planned.verb))?;
        return Ok(0);
    }
    let attached = planned.verb.name == "run" && !planned.switch("detach") && !planned.switch("tty");
    let draft = Draft::read_container_for(&planned, target)?;
    let plan = match target {
        _ if here => {
            let draft = Draft { pull: PullPolicy::Never, ..draft };
            let (request, _image) = super::run::request(session, &planned, draft, id)?;
            session.host()?.plan(&request, attached)?
        }
        Target::Linux => {
            let error = usage("`--backend linux`: a plan for Linux can be made on Linux only");
            return Err(Failure::usage(error.with_hint("`--backend hcs` is for any system")));
        }
        Target::Windows => for_windows(session, &planned, draft, id, machine)?,
    };
    match json {
        true => {
            let document = serde_json::to_string_pretty(&plan).map_err(|error| wrong(error.to_string()))?;
            output::print(document + "\n")?;
        }
        false => output::print(plan.to_string())?,
    }
    Ok(0)
}

/// Whose words they are: `run` may be left away.
fn verb(parsed: &Parsed) -> Result<(&'static Verb, &[OsText]), Failure> {
    let run = find("run").unwrap_or(parsed.verb);
    let Some((first, rest)) = parsed.operands.split_first() else { return Ok((run, &[])) };
    match first.to_str().and_then(find) {
        Some(verb) if ["run", "create"].contains(&verb.name) => Ok((verb, rest)),
        Some(_) => {
            let error = usage(format!("`cv plan`: {} has no plan", quote(first)));
            Err(Failure::usage(error.with_hint("as in `cv plan run IMAGE COMMAND`")))
        }
        None => Ok((run, &parsed.operands)),
    }
}

/// Plans for a machine that is assumed. Nothing of this machine goes into the plan: not the size of its
/// terminal, and a container to be joined is named by its whole identifier.
fn for_windows(
    session: &Session,
    planned: &Parsed,
    draft: Draft,
    id: Option<ContainerId>,
    machine: Option<WindowsMachine>,
) -> Result<Plan, Failure> {
    let resolve = |reference: &str| {
        reference.parse::<ContainerId>().map_err(|_| {
            wrong("a container of another machine")
                .with_hint("give its whole identifier, 64 hexadecimal digits")
        })
    };
    let id = id.map_or_else(|| session.host().and_then(containerv::Host::new_id), Ok)?;
    if let Some(name) = draft.image_name(&planned.operands)? {
        let error = wrong(format!("`{name}`: a plan for another machine knows no images of registries"));
        return Err(error.with_hint("name the folder of a layer, as `C:\\layers\\nanoserver`").into());
    }
    let request = draft.finish(id, &planned.operands, None, &resolve)?;
    Ok(plan_windows(&request, &machine.unwrap_or_else(WindowsMachine::assumed))?)
}

fn backend(text: &str) -> Result<Target, Error> {
    match text {
        "linux" => Ok(Target::Linux),
        "hcs" => Ok(Target::Windows),
        _ => Err(wrong("expected `linux` or `hcs`")),
    }
}

/// Reads `build=26100,product=client,processors=8,network=lan:Transparent`.
fn machine(text: &str) -> Result<WindowsMachine, Error> {
    let mut machine = WindowsMachine::assumed();
    let mut networks = Vec::new();
    for field in fields::split(&OsText::from(text))? {
        let (name, given) = fields::key_value(&field);
        let given = given.ok_or_else(|| wrong(format!("{} has no value", quote(&name))))?;
        let given = value::utf8(&given)?;
        match value::utf8(&name)? {
            "build" => machine.build = value::number(given, 1, 999_999)?,
            "product" => machine.product = product(given)?,
            "processors" => machine.processors = value::number(given, 1, 4096)?,
            "containers" => machine.containers = value::boolean(given)?,
            "hyperv" => machine.hyperv = value::boolean(given)?,
            "rights" => machine.rights = rights(given)?,
            "network" => networks.push(known_network(given)?),
            other => return Err(wrong(format!("unknown field {}", quote(&other.into())))),
        }
    }
    if !networks.is_empty() {
        machine.networks = networks;
    }
    Ok(machine)
}

fn product(text: &str) -> Result<Product, Error> {
    match text {
        "server" => Ok(Product::Server),
        "client" => Ok(Product::Client),
        _ => Err(wrong("the product is `server` or `client`")),
    }
}

fn rights(text: &str) -> Result<Rights, Error> {
    match text {
        "elevated" => Ok(Rights::Elevated),
        "hyperv-administrator" => Ok(Rights::HypervAdministrator),
        "none" => Ok(Rights::None),
        _ => Err(wrong("the rights are `elevated`, `hyperv-administrator` or `none`")),
    }
}

fn known_network(text: &str) -> Result<KnownNetwork, Error> {
    let (name, kind) = text.rsplit_once(':').ok_or_else(|| wrong("a network is written `NAME:KIND`"))?;
    let kind = NetworkType::from_name(kind).ok_or_else(|| {
        let kinds: Vec<&str> = NetworkType::ALL.into_iter().map(NetworkType::name).collect();
        wrong(format!("a network's kind is one of {}", kinds.join(", ")))
    })?;
    let usable = |byte: u8| (b' '..=b'~').contains(&byte) && !matches!(byte, b'"' | b'\\');
    if name.is_empty() || !name.bytes().all(usable) {
        return Err(wrong_value("network", &name.into(), wrong("not the name of a network")));
    }
    Ok(KnownNetwork { name: name.to_owned(), kind })
}
