//! `version`, `info` and `system`.

use containerv::{Container, Error, Host};
use containerv_spec::ByteSize;
use containerv_spec::state::Status;
use serde_json::{Value, json};

use super::{GROUPS, Session, images, life};
use crate::failure::Failure;
use crate::output::table::Table;
use crate::output::template::Template;
use crate::output::{self, list};
use crate::syntax::{Parsed, help};
use crate::value::wrong;

/// What `cv` without a verb does: prints the version or the list of verbs.
pub fn overview(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    if parsed.switch("version") {
        output::print(format!("cv {}\n", env!("CARGO_PKG_VERSION")))?;
        return Ok(0);
    }
    let text = help::overview(GROUPS);
    if parsed.switch("help") {
        output::print(text)?;
        return Ok(0);
    }
    _ = session;
    output::message(&text);
    Ok(crate::failure::USAGE)
}

/// Prints the version.
pub fn version(_: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let document = json!({
        "Version": env!("CARGO_PKG_VERSION"),
        "Os": std::env::consts::OS,
        "Arch": std::env::consts::ARCH,
    });
    match document_format(parsed)? {
        Some(format) => output::print(format.render(&document)?)?,
        None => output::print(format!(
            "cv {} ({}/{})\n",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH
        ))?,
    }
    Ok(0)
}

/// How one document is printed.
pub enum DocumentFormat {
    /// As JSON, indented.
    Json,
    /// Filled into a template.
    Template(Template),
}

impl DocumentFormat {
    /// Returns the text with a line end.
    ///
    /// # Errors
    ///
    /// The template asks for what the document does not have.
    pub fn render(&self, document: &Value) -> Result<String, Error> {
        match self {
            Self::Json => Ok(format!("{document:#}\n")),
            Self::Template(template) => template.render(document).map(|text| text + "\n"),
        }
    }
}

/// Reads `--format` of a verb that prints one document.
pub fn document_format(parsed: &Parsed) -> Result<Option<DocumentFormat>, Failure> {
    parsed.read("format", |text| match text {
        "json" => Ok(DocumentFormat::Json),
        _ => Template::parse(text).map(DocumentFormat::Template),
    })
}

/// Reads `--format text|json`; says whether JSON is asked for.
pub fn wants_json(parsed: &Parsed) -> Result<bool, Failure> {
    let format = parsed.read("format", |text| match text {
        "json" => Ok(true),
        "text" => Ok(false),
        _ => Err(wrong("expected `text` or `json`")),
    })?;
    Ok(format.unwrap_or(false))
}

/// Describes the machine and what is offered on it.
pub fn info(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let format = document_format(parsed)?;
    let host = session.host()?;
    let (run, data) = host.roots();
    let counts = count_states(host)?;
    let features = serde_json::to_value(host.features()).map_err(|error| wrong(error.to_string()))?;
    let mut document = json!({
        "Version": env!("CARGO_PKG_VERSION"),
        "Os": std::env::consts::OS,
        "Arch": std::env::consts::ARCH,
        "RunRoot": run.to_string_lossy(),
        "DataRoot": data.to_string_lossy(),
        "Containers": counts.iter().sum::<usize>(),
        "ContainersRunning": counts[0],
        "ContainersPaused": counts[1],
        "ContainersStopped": counts[2],
    });
    // A document without the field says that nothing is known, an empty list that there is nothing.
    if let (Some(fields), true) =
        (document.as_object_mut(), features.as_array().is_some_and(|all| !all.is_empty()))
    {
        fields.insert("Features".to_owned(), features);
    }
    match format {
        Some(format) => output::print(format.render(&document)?)?,
        None => output::print(info_text(&document))?,
    }
    Ok(0)
}

/// Counts running, paused and other containers.
fn count_states(host: &Host) -> Result<[usize; 3], Error> {
    let mut counts = [0; 3];
    for container in host.containers()? {
        let index = match container.state() {
            Ok(state) if state.status == Status::Running => 0,
            Ok(state) if state.status == Status::Paused => 1,
            _ => 2,
        };
        counts[index] += 1;
    }
    Ok(counts)
}

fn info_text(document: &Value) -> String {
    let field = |name: &str| document.get(name).map(output::template::plain).unwrap_or_default();
    let mut text = format!(
        "Version:     {}\nPlatform:    {}/{}\nState:       {}\nData:        {}\nContainers:  {} ({} running, {} paused, {} stopped)\n\n",
        field("Version"),
        field("Os"),
        field("Arch"),
        field("RunRoot"),
        field("DataRoot"),
        field("Containers"),
        field("ContainersRunning"),
        field("ContainersPaused"),
        field("ContainersStopped"),
    );
    let Some(features) = document.get("Features").and_then(Value::as_array) else { return text };
    let mut table = Table::new(&["BACKEND", "FEATURE", "AVAILABLE", "PROVED", "REASON"]);
    for feature in features {
        let cell = |name: &str| match feature.get(name) {
            Some(Value::Null) | None => String::new(),
            Some(Value::Bool(on)) => if *on { "yes" } else { "no" }.to_owned(),
            Some(value) => output::template::plain(value),
        };
        table.row(["backend", "name", "available", "label", "reason"].map(cell).to_vec());
    }
    text.push_str(&table.render());
    text
}

/// Undoes what a crash left half done.
pub fn repair(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let json = wants_json(parsed)?;
    let dry_run = parsed.switch("dry-run");
    let actions: Vec<String> = session.host()?.repair(dry_run)?.iter().map(ToString::to_string).collect();
    if json {
        let document = json!({ "DryRun": dry_run, "Actions": actions });
        output::print(format!("{document:#}\n"))?;
        return Ok(0);
    }
    for action in &actions {
        output::print(format!("{action}\n"))?;
    }
    let outcome = match (actions.len(), dry_run) {
        (0, _) => "nothing to repair\n".to_owned(),
        (count, true) => format!("{count} to be done; run it again without --dry-run\n"),
        (count, false) => format!("{count} done\n"),
    };
    output::message(&outcome);
    Ok(0)
}

/// Removes containers that do not run, repairs, and removes images that nobody uses.
pub fn prune(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let code = life::prune(session, parsed)?;
    if code == 0 {
        for action in session.host()?.repair(false)? {
            output::print(format!("{action}\n"))?;
        }
        return images::prune_with_system(session, parsed);
    }
    Ok(code)
}

/// Shows the disk space that images and containers use.
pub fn df(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    const COLUMNS: &[list::Column] = &[
        list::Column { heading: "TYPE", field: "Type", most: usize::MAX },
        list::Column { heading: "TOTAL", field: "TotalCount", most: usize::MAX },
        list::Column { heading: "ACTIVE", field: "Active", most: usize::MAX },
        list::Column { heading: "SIZE", field: "Size", most: usize::MAX },
        list::Column { heading: "RECLAIMABLE", field: "Reclaimable", most: usize::MAX },
    ];
    let format = parsed.read("format", list::Format::parse)?.unwrap_or(list::Format::Table);
    let host = session.host()?;
    let mut each = Vec::new();
    for container in host.containers()? {
        let running =
            container.state().is_ok_and(|state| matches!(state.status, Status::Running | Status::Paused));
        each.push((disk_usage(&container), running, container.name()));
    }
    let total: u64 = each.iter().map(|(bytes, ..)| bytes).sum();
    let free: u64 = each.iter().filter(|(_, running, _)| !running).map(|(bytes, ..)| bytes).sum();
    let row = json!({
        "Type": "Containers",
        "TotalCount": each.len(),
        "Active": each.iter().filter(|(_, running, _)| *running).count(),
        "Size": ByteSize::bytes(total).to_string(),
        "Reclaimable": ByteSize::bytes(free).to_string(),
    });
    let images = host.images().disk_usage()?;
    let used = images.images.iter().filter(|usage| !usage.image.containers.is_empty()).count();
    let image_row = json!({
        "Type": "Images",
        "TotalCount": images.images.len(),
        "Active": used,
        "Size": ByteSize::bytes(images.bytes).to_string(),
        "Reclaimable": ByteSize::bytes(images.reclaimable).to_string(),
    });
    output::print(list::render(&format, COLUMNS, &[image_row, row], true)?)?;
    if parsed.switch("verbose") {
        let mut table = Table::new(&["IMAGE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"]);
        for usage in &images.images {
            table.row(vec![
                usage.image.names.first().map(|(name, _)| name.familiar()).unwrap_or_default(),
                ByteSize::bytes(usage.shared).to_string(),
                ByteSize::bytes(usage.unique).to_string(),
                usage.image.containers.len().to_string(),
            ]);
        }
        output::print(format!("\n{}", table.render()))?;
        let mut table = Table::new(&["NAME", "SIZE", "RUNNING"]);
        for (bytes, running, name) in each {
            table.row(vec![
                name,
                ByteSize::bytes(bytes).to_string(),
                if running { "yes" } else { "no" }.to_owned(),
            ]);
        }
        output::print(format!("\n{}", table.render()))?;
    }
    Ok(0)
}

/// Supervises a container's command: the library has started this program for that. The container is
/// named for people who look at the list of processes.
#[cfg(windows)]
pub fn monitor(_: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    Host::serve_monitor(parsed.operand(1)?)?;
    Ok(0)
}

/// Copies files inside of a container, for the library, which has started this program there.
#[cfg(windows)]
pub fn guest_copy(_: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    Host::serve_guest_copy(parsed.operand(0)?)?;
    Ok(0)
}

/// Returns the bytes on disk of what a container has written.
pub fn disk_usage(container: &Container) -> u64 {
    container.disk_usage().unwrap_or(0)
}
