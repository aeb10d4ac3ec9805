//! What a container's own settings make of the configuration of its image, for an image of the container: Docker's
//! rules.
//!
//! Pure. What is about one machine stays out: limits, mounts, the host name, proxies.

use containerv_spec::image::RunConfig;
use containerv_spec::request::{Process, Protocol, Request, Root, Stop};
use containerv_spec::{OsText, signal};
use serde_json::{Map, Value};

use crate::images::run::{merged, name_of, stop_signal_number};
use crate::{Error, ErrorKind, Result};

/// Variables that name proxies, in capitals.
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"];

/// Changes the configuration of a container's image to what the container was asked for. With none of an image, it is
/// made of nothing. `usual` are entries of the environment that every container gets.
///
/// # Errors
///
/// A word or variable that is no UTF-8: no configuration can have it.
pub(super) fn take_over(
    config: &mut RunConfig,
    request: &Request,
    usual: &[OsText],
    windows: bool,
) -> Result<()> {
    config.labels.extend(request.labels.clone());
    for port in &request.ports {
        let protocol = match port.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        let name = format!("{}/{protocol}", port.container_port);
        config.exposed_ports.entry(name).or_insert_with(|| Value::Object(Map::new()));
    }
    if !windows {
        stop(config, &request.stop);
    }
    let Some(process) = &request.process else { return Ok(()) };
    command(config, process, entrypoint_words(request))?;
    environment(config, process, request, usual, windows)?;
    config.user.clone_from(&process.user);
    let unsaid = config.working_dir.is_empty() && process.cwd == Process::new(Vec::new()).cwd;
    if !unsaid {
        config.working_dir = text(&process.cwd, "working directory")?;
    }
    Ok(())
}

fn entrypoint_words(request: &Request) -> usize {
    match &request.root {
        Root::Layers(layers) => layers.image.as_ref().map_or(0, |image| image.entrypoint_words),
        _ => 0,
    }
}

fn stop(config: &mut RunConfig, stop: &Stop) {
    let usual = Stop::default();
    let said = config.stop_signal.as_deref().and_then(stop_signal_number).unwrap_or(usual.signal);
    if stop.signal != said {
        let number = i32::from(stop.signal);
        let known = signal::NAMES.iter().find(|(_, known)| *known == number);
        let name = known.map_or_else(|| number.to_string(), |(name, _)| format!("SIG{name}"));
        config.stop_signal = Some(name);
    }
    if stop.timeout_seconds != usual.timeout_seconds {
        // -1 is for ever.
        config.stop_timeout = Some(i64::try_from(stop.timeout_seconds).unwrap_or(-1));
    }
}

fn command(config: &mut RunConfig, process: &Process, entrypoint: usize) -> Result<()> {
    if let Some(line) = &process.command_line {
        (config.entrypoint, config.cmd, config.args_escaped) = (None, Some(vec![line.clone()]), true);
        return Ok(());
    }
    let mut words = process.args.iter().map(|word| text(word, "command")).collect::<Result<Vec<_>>>()?;
    if let (Some(program), Some(first)) = (&process.program, words.first_mut()) {
        *first = text(program, "program")?;
    }
    let command = words.split_off(entrypoint.min(words.len()));
    config.entrypoint = Some(words).filter(|words| !words.is_empty());
    config.cmd = Some(command).filter(|words| !words.is_empty());
    config.args_escaped = false;
    Ok(())
}

fn environment(
    config: &mut RunConfig,
    process: &Process,
    request: &Request,
    usual: &[OsText],
    windows: bool,
) -> Result<()> {
    let known: Vec<OsText> = config.env.iter().map(|entry| entry.as_str().into()).collect();
    let hostname = OsText::from(format!("HOSTNAME={}", request.host_name()));
    let terminal = process.terminal.is_some().then(|| OsText::from("TERM=xterm"));
    let own = |entry: &&OsText| {
        let name = name_of(entry, windows);
        let of_image = known.iter().any(|known| name_of(known, windows) == name);
        let proxy = PROXIES.iter().any(|proxy| name.eq_ignore_ascii_case(proxy.as_bytes()));
        let given = usual.contains(entry) || **entry == hostname || Some(*entry) == terminal.as_ref();
        of_image || !given && !proxy
    };
    let own: Vec<OsText> = process.env.iter().filter(own).cloned().collect();
    let entries = merged(known.into_iter().chain(own), windows);
    config.env = entries.iter().map(|entry| text(entry, "variable")).collect::<Result<_>>()?;
    Ok(())
}

fn text(text: &OsText, what: &str) -> Result<String> {
    text.to_str().map(str::to_owned).ok_or_else(|| {
        let message =
            format!("the container's {what} `{text}` is no UTF-8, and no image's configuration can have it");
        Error::new(ErrorKind::Unsupported, message)
            .with_hint("`cv export` and `cv import` make an image without the container's settings")
    })
}

#[cfg(test)]
mod tests {
    use containerv_spec::ContainerId;
    use containerv_spec::image::ImageConfig;
    use containerv_spec::request::{PublishedPort, TerminalSize};
    use serde_json::json;

    use super::*;
    use crate::images::ImageOverrides;
    use crate::images::run::complete;

    const USUAL: &str = "PATH=/usr/bin:/bin";

    fn texts(words: &[&str]) -> Vec<OsText> {
        words.iter().map(|word| (*word).into()).collect()
    }

    /// The configuration of an image of a container that was made of an image like this.
    fn committed(
        image: Value,
        asked: &ImageOverrides,
        change: impl FnOnce(&mut Request),
    ) -> Result<RunConfig> {
        let digest = "sha256:".to_owned() + &"a".repeat(64);
        let root = json!({ "layers": { "folders": [], "image": { "reference": "a:1", "digest": digest, "id": digest } } });
        let request = json!({ "id": ContainerId::from_random([1; 32]), "root": root });
        let mut request: Request = serde_json::from_value(request).unwrap();
        let mut config: ImageConfig = serde_json::from_value(json!({ "config": image })).unwrap();
        let hostname = format!("HOSTNAME={}", request.host_name());
        let default_env = texts(&[USUAL, &hostname, "TERM=xterm"]);
        let asked = ImageOverrides { default_env, ..asked.clone() };
        let process =
            Process { terminal: Some(TerminalSize { columns: 80, rows: 24 }), ..Process::new(vec![]) };
        complete(&mut request, process, &config.config, &asked, false)?;
        change(&mut request);
        take_over(&mut config.config, &request, &texts(&[USUAL]), false)?;
        Ok(config.config)
    }

    fn full() -> Value {
        json!({
            "Entrypoint": ["/entry", "-x"], "Cmd": ["serve"], "Env": ["PATH=/opt/bin", "A=1"], "User": "app",
            "WorkingDir": "/srv", "Labels": { "a": "image", "b": "image" }, "StopSignal": "SIGQUIT",
            "ExposedPorts": { "80/tcp": {} }, "Volumes": { "/data": {} }, "Healthcheck": { "Test": ["CMD", "true"] },
            "OnBuild": ["RUN x"], "Shell": ["/bin/bash", "-c"],
        })
    }

    #[test]
    fn a_container_that_was_asked_for_nothing_is_as_its_image() {
        let config = committed(full(), &ImageOverrides::default(), |_| {}).unwrap();
        assert_eq!(serde_json::to_value(&config).unwrap(), full());
        let plain = json!({ "Cmd": ["sh"] });
        let config = committed(plain.clone(), &ImageOverrides::default(), |_| {}).unwrap();
        assert_eq!(serde_json::to_value(&config).unwrap(), plain);
    }

    #[test]
    fn what_a_container_was_asked_for_counts_before_its_image() {
        let asked = ImageOverrides {
            entrypoint: Some(texts(&["/own"])),
            command: texts(&["-v", "now"]),
            env: texts(&["A=2", "B=3", "https_proxy=http://user:secret@proxy"]),
            workdir: Some("/work".into()),
            user: Some("1000:50".into()),
            stop_signal: Some(2),
            ..ImageOverrides::default()
        };
        let config = committed(full(), &asked, |request| {
            request.labels.insert("a".into(), "own".into());
            request.stop.timeout_seconds = u64::MAX;
            let protocol = Protocol::Udp;
            request.ports.push(PublishedPort {
                host_address: None,
                host_port: None,
                container_port: 53,
                protocol,
            });
        });
        let mut expected = full();
        for (name, value) in [
            ("Entrypoint", json!(["/own"])),
            ("Cmd", json!(["-v", "now"])),
            ("Env", json!(["PATH=/opt/bin", "A=2", "B=3"])),
            ("WorkingDir", json!("/work")),
            ("User", json!("1000:50")),
            ("StopSignal", json!("SIGINT")),
            ("StopTimeout", json!(-1)),
            ("Labels", json!({ "a": "own", "b": "image" })),
            ("ExposedPorts", json!({ "53/udp": {}, "80/tcp": {} })),
        ] {
            expected[name] = value;
        }
        assert_eq!(serde_json::to_value(config.unwrap()).unwrap(), expected);
    }

    #[test]
    fn the_command_is_parted_as_it_was_put_together() {
        let parts = |entrypoint: Option<&[&str]>, command: &[&str]| {
            let asked = ImageOverrides {
                entrypoint: entrypoint.map(texts),
                command: texts(command),
                ..ImageOverrides::default()
            };
            let config = committed(full(), &asked, |_| {}).unwrap();
            (config.entrypoint.unwrap_or_default().join(" "), config.cmd.unwrap_or_default().join(" "))
        };
        let pair = |entrypoint: &str, command: &str| (entrypoint.to_owned(), command.to_owned());
        assert_eq!(parts(None, &["a", "b"]), pair("/entry -x", "a b"));
        assert_eq!(parts(Some(&["/own"]), &[]), pair("/own", ""));
        assert_eq!(parts(Some(&[]), &["a"]), pair("", "a"), "an empty entrypoint takes the image's away");
    }

    #[test]
    fn what_no_configuration_can_have_is_refused() {
        let asked = ImageOverrides { env: vec![OsText::from_bytes(b"A=\xff")], ..ImageOverrides::default() };
        let error = committed(full(), &asked, |_| {}).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }

    #[test]
    fn a_command_line_of_windows_stays_one() {
        let line = r#""C:\a b\x.exe" /c "y z""#;
        let image = json!({ "Cmd": [line], "ArgsEscaped": true });
        let mut config: ImageConfig = serde_json::from_value(json!({ "config": image.clone() })).unwrap();
        let request = json!({ "id": ContainerId::from_random([1; 32]), "root": "host" });
        let mut request: Request = serde_json::from_value(request).unwrap();
        complete(&mut request, Process::new(vec![]), &config.config, &ImageOverrides::default(), true)
            .unwrap();
        take_over(&mut config.config, &request, &[], true).unwrap();
        assert_eq!(serde_json::to_value(&config.config).unwrap(), image);
        let asked = ImageOverrides {
            command: texts(&["cmd"]),
            env: texts(&["Path=C:\\x"]),
            ..ImageOverrides::default()
        };
        complete(&mut request, Process::new(vec![]), &config.config, &asked, true).unwrap();
        take_over(&mut config.config, &request, &[], true).unwrap();
        let expected = json!({ "Cmd": ["cmd"], "Env": ["Path=C:\\x"] });
        assert_eq!(serde_json::to_value(&config.config).unwrap(), expected);
    }
}
