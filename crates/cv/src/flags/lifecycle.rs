//! Options of a container's life: name, labels, log, stop, removal.

use containerv::{Error, PullPolicy};
use containerv_spec::OsText;
use containerv_spec::image::Platform;
use containerv_spec::request::{Lifetime, Log, LogDriver};

use crate::draft::{Draft, Target};
use crate::syntax::{Completion, Flag, Section};
use crate::value::{self, duration, fields, file, not_offered, quote, signal, wrong};

/// Options of a container's life.
pub static LIFE: Section = Section {
    title: "Container",
    flags: &[
        Flag::value("name", "NAME", "Name of the container").sets(name),
        Flag::value("label", "NAME[=VALUE]", "Attach a label").short('l').sets(label),
        Flag::value("label-file", "FILE", "Attach the labels of a file of `NAME=VALUE` lines")
            .completed(Completion::Files)
            .sets(label_file),
        Flag::switch("rm", "Remove the container when it ends").sets(auto_remove),
        Flag::switch("owner-bound", "End the container when this program ends, however that comes")
            .sets(owner_bound),
        Flag::value("cidfile", "FILE", "Write the container's id into a new file")
            .completed(Completion::Files)
            .sets(cidfile),
        Flag::value("stop-signal", "SIGNAL", "Signal that `stop` sends first (default: TERM)")
            .completed(Completion::Signals)
            .sets(stop_signal),
        Flag::value("stop-timeout", "SECONDS", "Time until `stop` kills (default: 10); -1 to wait for ever")
            .sets(stop_timeout),
        Flag::value("log-driver", "json-file|none", "How output is kept (default: json-file)")
            .completed(Completion::Words(&["json-file", "none"]))
            .sets(log_driver),
        Flag::value("log-opt", "NAME=VALUE", "`max-size=10m` and `max-file=3` limit the log")
            .completed(Completion::Words(&["max-size=", "max-file="]))
            .sets(log_opt),
        Flag::switch("no-healthcheck", "Run no health check (there is none)").sets(accepted),
        Flag::value("restart", "no", "What happens when the command ends")
            .completed(Completion::Words(&["no"]))
            .sets(restart),
        Flag::value("pull", "always|missing|never", "When the image is pulled (default: missing)")
            .completed(Completion::Words(&["always", "missing", "never"]))
            .sets(pull),
        Flag::value("platform", "OS/ARCH", "Platform of the image (default: this machine's)").sets(platform),
    ],
};

fn name(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let text = value::utf8(text)?;
    // Docker's own tools write `/name` in places.
    let name = text.strip_prefix('/').unwrap_or(text);
    if !containerv_spec::id::is_valid_name(name) {
        return Err(wrong(
            "a name is 2 to 128 letters, digits, `_`, `.` and `-`, and begins with a letter or digit",
        ));
    }
    draft.request.name = Some(name.to_owned());
    Ok(())
}

fn label(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let (name, label) = fields::key_value(text);
    if name.is_empty() {
        return Err(wrong("no name before `=`"));
    }
    let label = label.unwrap_or_default();
    draft.request.labels.insert(value::utf8(&name)?.to_owned(), value::utf8(&label)?.to_owned());
    Ok(())
}

fn label_file(draft: &mut Draft, path: &OsText) -> Result<(), Error> {
    let entries = file::entries(path)?;
    if let Some(entry) = entries.iter().find(|entry| entry.to_str().is_none()) {
        return Err(wrong(format!("{}: not valid UTF-8", quote(entry))));
    }
    draft.label_files.extend(entries);
    Ok(())
}

fn auto_remove(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.auto_remove = text.as_bytes() == b"true";
    Ok(())
}

fn owner_bound(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let bound = text.as_bytes() == b"true";
    draft.request.lifetime = if bound { Lifetime::OwnerBound } else { Lifetime::Detached };
    Ok(())
}

fn cidfile(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    if text.is_empty() {
        return Err(wrong("the path is empty"));
    }
    draft.cidfile = Some(text.clone());
    Ok(())
}

fn stop_signal(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let number = signal::parse(draft.target, value::utf8(text)?)?;
    draft.request.stop.signal = u8::try_from(number).map_err(|_| wrong("no such signal"))?;
    draft.instead.stop_signal = true;
    Ok(())
}

fn stop_timeout(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let seconds = duration::timeout_seconds(value::utf8(text)?)?;
    draft.request.stop.timeout_seconds = seconds.unwrap_or(u64::MAX);
    Ok(())
}

fn log_driver(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.log.driver = match value::utf8(text)? {
        "json-file" => LogDriver::JsonFile,
        "none" => LogDriver::None,
        "local" | "journald" | "syslog" | "k8s-file" | "passthrough" | "gelf" | "fluentd" | "awslogs"
        | "splunk" | "etwlogs" | "gcplogs" => {
            return Err(
                not_offered("this log driver is not offered yet").with_hint("use `json-file` or `none`")
            );
        }
        _ => return Err(wrong("no such log driver; expected `json-file` or `none`")),
    };
    Ok(())
}

fn log_opt(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let text = value::utf8(text)?;
    let log = &mut draft.request.log;
    match text.split_once('=') {
        Some(("max-size", "-1")) => log.max_bytes = 0,
        Some(("max-size", size)) => match value::size(size)?.as_bytes() {
            0 => return Err(wrong("the size must be more than 0, or -1 for no limit")),
            bytes => log.max_bytes = bytes,
        },
        Some(("max-file", count)) => log.max_files = value::number(count, 1, Log::MOST_FILES)?,
        Some((name @ ("compress" | "labels" | "labels-regex" | "env" | "env-regex" | "tag" | "mode"), _)) => {
            return Err(
                not_offered(format!("`{name}` is not offered")).with_hint("known are max-size and max-file")
            );
        }
        _ => return Err(wrong("expected `max-size=BYTES` or `max-file=NUMBER`")),
    }
    Ok(())
}

/// For options that ask for what is the case anyway.
fn accepted(_: &mut Draft, _: &OsText) -> Result<(), Error> {
    Ok(())
}

fn restart(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    match value::utf8(text)? {
        "no" | "" => Ok(()),
        other if matches!(other.split(':').next(), Some("always" | "unless-stopped" | "on-failure")) => {
            let way_out = match draft.target {
                Target::Linux => {
                    "let the service manager restart it: a systemd unit with `Restart=` that runs `cv run --owner-bound`"
                }
                Target::Windows => {
                    "let Windows restart it: a scheduled task with a restart setting that runs `cv run --owner-bound`"
                }
            };
            Err(not_offered("restart policies are not offered yet").with_hint(way_out))
        }
        _ => Err(wrong("expected `no`")),
    }
}

fn pull(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.pull = pull_policy(value::utf8(text)?)?;
    Ok(())
}

/// Reads `always`, `missing` or `never`.
pub fn pull_policy(text: &str) -> Result<PullPolicy, Error> {
    match text {
        "always" => Ok(PullPolicy::Always),
        "missing" => Ok(PullPolicy::Missing),
        "never" => Ok(PullPolicy::Never),
        _ => Err(wrong("expected `always`, `missing` or `never`")),
    }
}

fn platform(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.platform = Some(read_platform(value::utf8(text)?)?);
    Ok(())
}

/// Reads `os[(version)]/architecture[/variant]`, or a part of it that this machine completes.
pub fn read_platform(text: &str) -> Result<Platform, Error> {
    let here = Platform::new(std::env::consts::OS, std::env::consts::ARCH);
    Platform::parse(text, &here).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_limited_by_size_and_count() {
        let mut draft = Draft::default();
        log_opt(&mut draft, &"max-size=10m".into()).unwrap();
        log_opt(&mut draft, &"max-file=3".into()).unwrap();
        assert_eq!((draft.request.log.max_bytes, draft.request.log.max_files), (10 << 20, 3));
        for text in ["", "max-size", "max-size=0", "max-file=0", "max-file=-1", "compress=true", "what=1"] {
            assert!(log_opt(&mut draft, &text.into()).is_err(), "{text}");
        }
    }

    #[test]
    fn names_may_have_dockers_slash() {
        let mut draft = Draft::default();
        name(&mut draft, &"/web".into()).unwrap();
        assert_eq!(draft.request.name.as_deref(), Some("web"));
        for text in ["", "/", "a", "//web", "a b", "ü1"] {
            assert!(name(&mut draft, &text.into()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_the_case_anyway_is_accepted() {
        let mut draft = Draft::default();
        restart(&mut draft, &"no".into()).unwrap();
        pull(&mut draft, &"never".into()).unwrap();
        assert!(restart(&mut draft, &"always".into()).unwrap_err().hint().is_some());
        assert!(restart(&mut draft, &"sometimes".into()).unwrap_err().hint().is_none());
    }
}
