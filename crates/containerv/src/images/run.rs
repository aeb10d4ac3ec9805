//! What an image's configuration makes of a request: Docker's rules.
//!
//! Pure. Labels of an image are copied and steer nothing.

use containerv_spec::image::RunConfig;
use containerv_spec::request::{Process, Request, Root};
use containerv_spec::{OsText, signal};

use crate::{Error, ErrorKind, Result};

/// What the caller wants in place of what the image says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageOverrides {
    /// The program and first arguments; an empty list for none. With it, the image's command does not count.
    pub entrypoint: Option<Vec<OsText>>,
    /// Further arguments; empty for those of the image.
    pub command: Vec<OsText>,
    /// `NAME=value`, before those of the image.
    pub default_env: Vec<OsText>,
    /// `NAME=value`, after those of the image.
    pub env: Vec<OsText>,
    /// The working directory.
    pub workdir: Option<OsText>,
    /// The user.
    pub user: Option<String>,
    /// The signal that `stop` sends first.
    pub stop_signal: Option<u8>,
}

/// Completes a request by an image's configuration: its command, surroundings, stop signal and labels. What else
/// the request's process says, such as its terminal, stays.
///
/// # Errors
///
/// Everything that cannot be had: no command at all, a stop signal that is none, a volume that the container
/// could not write.
pub(super) fn complete(
    request: &mut Request,
    process: Process,
    config: &RunConfig,
    asked: &ImageOverrides,
    windows: bool,
) -> Result<()> {
    let mut problems = Vec::new();
    let mut process = process;
    match arguments(&mut process, config, asked, windows) {
        Ok(words) => note_entrypoint(request, words),
        Err(error) => problems.push(error),
    }
    let defaults = asked.default_env.iter().cloned();
    let image = config.env.iter().map(|entry| OsText::from(entry.as_str()));
    process.env = merged(defaults.chain(image).chain(asked.env.iter().cloned()), windows);
    if let Some(workdir) = asked.workdir.clone().or_else(|| working_directory(&config.working_dir, windows)) {
        // Docker makes it, whoever names it; a container of Windows is given the name alone.
        (process.cwd, process.create_cwd) = (workdir, !windows);
    }
    process.user = asked.user.clone().unwrap_or_else(|| config.user.clone());
    match stop_signal(config, asked, windows) {
        Ok(Some(signal)) => request.stop.signal = signal,
        Ok(None) => {}
        Err(error) => problems.push(error),
    }
    if let (Some(seconds), true) = (config.stop_timeout, request.stop.timeout_seconds == 10) {
        // -1 is for ever.
        request.stop.timeout_seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
    }
    problems.extend(volumes(request, config).err());
    for (name, value) in &config.labels {
        request.labels.entry(name.clone()).or_insert_with(|| value.clone());
    }
    if !problems.is_empty() {
        return Err(Error::problems("cannot make a container of the image", problems));
    }
    request.process = Some(process);
    Ok(())
}

/// Keeps for images of the container where its entrypoint ends.
fn note_entrypoint(request: &mut Request, words: usize) {
    if let Root::Layers(layers) = &mut request.root
        && let Some(image) = &mut layers.image
    {
        image.entrypoint_words = words;
    }
}

/// A command that is given replaces the image's; an entrypoint that is given, both. Returns how many words of the
/// command are the entrypoint.
fn arguments(
    process: &mut Process,
    config: &RunConfig,
    asked: &ImageOverrides,
    windows: bool,
) -> Result<usize> {
    let texts = |words: &Option<Vec<String>>| -> Vec<OsText> {
        words.iter().flatten().map(|word| OsText::from(word.as_str())).collect()
    };
    let (mut args, images_command) = match &asked.entrypoint {
        Some(entrypoint) => (entrypoint.clone(), false),
        None => (texts(&config.entrypoint), true),
    };
    let entrypoint_words = args.len();
    let use_images = asked.command.is_empty() && images_command;
    args.extend(if use_images { texts(&config.cmd) } else { asked.command.clone() });
    // The image's command is a whole command line, quoted by whoever made the image.
    let escaped = windows && config.args_escaped && use_images && args.len() == 1 && entrypoint_words == 0;
    if let (true, Some(line)) = (escaped, args.first().and_then(|line| line.to_str().map(str::to_owned))) {
        args[0] = OsText::from(first_word(&line));
        process.command_line = Some(line);
    }
    match args.first() {
        None => {
            Err(Error::new(ErrorKind::InvalidArgument, "neither the image nor the caller names a command")
                .with_hint("name one after the image: `cv run IMAGE COMMAND`"))
        }
        Some(program) if program.is_empty() => {
            Err(Error::new(ErrorKind::InvalidArgument, "the command is an empty word")
                .with_hint("name a program"))
        }
        Some(_) => {
            process.args = args;
            Ok(entrypoint_words)
        }
    }
}

/// The program of a command line, as Windows reads it: up to the next blank, or between quotation marks.
fn first_word(line: &str) -> &str {
    match line.strip_prefix('"') {
        Some(rest) => rest.split('"').next().unwrap_or(rest),
        None => line.split([' ', '\t']).next().unwrap_or(line),
    }
}

fn working_directory(text: &str, windows: bool) -> Option<OsText> {
    let absolute = windows || text.starts_with('/');
    match text {
        "" => None,
        text if absolute => Some(text.into()),
        // Docker takes it from the root, too.
        text => Some(OsText::from(format!("/{text}"))),
    }
}

/// The name of an entry of an environment, as it is compared.
pub(super) fn name_of(entry: &OsText, windows: bool) -> Vec<u8> {
    let bytes = entry.as_bytes();
    let name = bytes.split(|byte| *byte == b'=').next().unwrap_or(bytes).to_vec();
    if windows { name.to_ascii_uppercase() } else { name }
}

/// The last entry of each name, in the place of the first.
pub(super) fn merged(entries: impl Iterator<Item = OsText>, windows: bool) -> Vec<OsText> {
    let name = |entry: &OsText| name_of(entry, windows);
    let mut merged: Vec<OsText> = Vec::new();
    for entry in entries {
        match merged.iter_mut().find(|known| name(known) == name(&entry)) {
            Some(known) => *known = entry,
            None => merged.push(entry),
        }
    }
    merged
}

/// The number of a stop signal as images have it.
pub(super) fn stop_signal_number(text: &str) -> Option<u8> {
    signal::parse(text).and_then(|number| u8::try_from(number).ok())
}

fn stop_signal(config: &RunConfig, asked: &ImageOverrides, windows: bool) -> Result<Option<u8>> {
    let text = config.stop_signal.as_deref().filter(|text| !text.is_empty());
    match (asked.stop_signal, text) {
        (Some(signal), _) => Ok(Some(signal)),
        // Windows has one way to ask a program to end.
        (None, Some(text)) if !windows => match stop_signal_number(text) {
            Some(number) => Ok(Some(number)),
            None => Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("the image's stop signal `{text}` is none"),
            )
            .with_hint("give one: `--stop-signal TERM`")),
        },
        _ => Ok(None),
    }
}

/// A volume of an image is a directory that the container may write. It is in the container's own layer and goes
/// with it, as Docker's nameless volumes go with `--rm`. A container that may not write its root has none.
fn volumes(request: &Request, config: &RunConfig) -> Result<()> {
    let mounted = |path: &str| {
        request.mounts.iter().any(|mount| {
            mount
                .target
                .to_str()
                .is_some_and(|target| target.trim_end_matches('/') == path.trim_end_matches('/'))
        })
    };
    let mut missing = config.volumes.keys().filter(|path| !mounted(path));
    match missing.next() {
        Some(path) if request.read_only => {
            let message = format!("`--read-only`: the image writes to its volume `{path}`");
            Err(Error::new(ErrorKind::InvalidArgument, message)
                .with_hint(format!("mount something there: `--tmpfs {path}` or `-v DIR:{path}`")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use containerv_spec::ContainerId;
    use containerv_spec::request::{Mount, MountOptions, MountSource};

    use super::*;

    fn request() -> Request {
        let json = serde_json::json!({ "id": ContainerId::from_random([1; 32]), "root": "host" });
        serde_json::from_value(json).unwrap()
    }

    fn image(config: serde_json::Value) -> RunConfig {
        serde_json::from_value(config).unwrap()
    }

    fn texts(words: &[&str]) -> Vec<OsText> {
        words.iter().map(|word| (*word).into()).collect()
    }

    fn run(config: &RunConfig, asked: &ImageOverrides) -> Result<Request> {
        let mut request = request();
        complete(&mut request, Process::new(Vec::new()), config, asked, false).map(|()| request)
    }

    fn args(config: &RunConfig, entrypoint: Option<&[&str]>, command: &[&str]) -> Vec<OsText> {
        let asked = ImageOverrides {
            entrypoint: entrypoint.map(texts),
            command: texts(command),
            ..ImageOverrides::default()
        };
        run(config, &asked).unwrap().process.unwrap().args
    }

    #[test]
    fn the_command_is_put_together_as_docker_does() {
        let both = image(serde_json::json!({ "Entrypoint": ["/entry", "-x"], "Cmd": ["serve"] }));
        assert_eq!(args(&both, None, &[]), texts(&["/entry", "-x", "serve"]));
        assert_eq!(args(&both, None, &["a", "b"]), texts(&["/entry", "-x", "a", "b"]));
        assert_eq!(args(&both, Some(&["/own"]), &[]), texts(&["/own"]), "the image's command is dropped");
        assert_eq!(args(&both, Some(&["/own"]), &["a"]), texts(&["/own", "a"]));
        assert_eq!(
            args(&both, Some(&[]), &["a"]),
            texts(&["a"]),
            "an empty entrypoint takes the image's away"
        );
        let command = image(serde_json::json!({ "Cmd": ["sh"] }));
        assert_eq!(args(&command, None, &[]), texts(&["sh"]));
        assert!(run(&command, &ImageOverrides { entrypoint: Some(vec![]), ..Default::default() }).is_err());
        assert!(run(&image(serde_json::json!({})), &ImageOverrides::default()).is_err());
    }

    #[test]
    fn surroundings_come_from_the_image_unless_they_are_given() {
        let config = image(serde_json::json!({
            "Cmd": ["sh"], "User": "app:app", "WorkingDir": "/srv", "Env": ["PATH=/opt/bin", "A=1"],
            "StopSignal": "SIGQUIT", "Labels": { "a": "image", "b": "image" },
        }));
        let asked = ImageOverrides {
            default_env: texts(&["PATH=/bin", "TERM=xterm"]),
            env: texts(&["A=2"]),
            ..ImageOverrides::default()
        };
        let request = run(&config, &asked).unwrap();
        let process = request.process.unwrap();
        assert_eq!(process.env, texts(&["PATH=/opt/bin", "TERM=xterm", "A=2"]));
        assert_eq!((process.cwd, process.user), ("/srv".into(), "app:app".to_owned()));
        assert_eq!((request.stop.signal, request.labels.len()), (3, 2));
        let asked = ImageOverrides {
            workdir: Some("/".into()),
            user: Some("0".to_owned()),
            stop_signal: Some(2),
            ..ImageOverrides::default()
        };
        let request = run(&config, &asked).unwrap();
        let process = request.process.unwrap();
        assert_eq!((process.cwd, process.user, request.stop.signal), ("/".into(), "0".to_owned(), 2));
    }

    #[test]
    fn labels_of_the_image_give_way_to_the_callers() {
        let config = image(serde_json::json!({ "Cmd": ["sh"], "Labels": { "a": "image", "b": "image" } }));
        let mut request = request();
        request.labels.insert("a".to_owned(), "own".to_owned());
        complete(&mut request, Process::new(vec![]), &config, &ImageOverrides::default(), false).unwrap();
        assert_eq!((request.labels["a"].as_str(), request.labels["b"].as_str()), ("own", "image"));
    }

    #[test]
    fn a_stop_signal_that_is_none_is_refused() {
        let config = image(serde_json::json!({ "Cmd": ["sh"], "StopSignal": "SIGNOTHING" }));
        assert!(run(&config, &ImageOverrides::default()).unwrap_err().to_string().contains("SIGNOTHING"));
    }

    #[test]
    fn a_volume_that_cannot_be_written_is_refused_unless_something_is_mounted_there() {
        let config = image(serde_json::json!({ "Cmd": ["sh"], "Volumes": { "/data/": {} } }));
        let mut request = request();
        let complete = |request: &mut Request| {
            complete(request, Process::new(vec![]), &config, &ImageOverrides::default(), false)
        };
        complete(&mut request).unwrap();
        request.read_only = true;
        assert!(complete(&mut request).unwrap_err().to_string().contains("`/data/`"));
        request.mounts.push(Mount {
            source: MountSource::Tmpfs { size: None, mode: None },
            target: "/data".into(),
            read_only: false,
            options: MountOptions::default(),
        });
        complete(&mut request).unwrap();
    }

    #[test]
    fn a_windows_command_line_is_kept_as_it_is() {
        let config =
            image(serde_json::json!({ "Cmd": ["\"C:\\a b\\x.exe\"  /c \"y z\""], "ArgsEscaped": true }));
        let mut made = request();
        complete(&mut made, Process::new(vec![]), &config, &ImageOverrides::default(), true).unwrap();
        let process = made.process.unwrap();
        assert_eq!(process.command_line.as_deref(), Some("\"C:\\a b\\x.exe\"  /c \"y z\""));
        assert_eq!(process.args, texts(&[r"C:\a b\x.exe"]));
        let mut made = request();
        let asked = ImageOverrides { command: texts(&["cmd"]), ..ImageOverrides::default() };
        complete(&mut made, Process::new(vec![]), &config, &asked, true).unwrap();
        assert_eq!(made.process.unwrap().command_line, None);
    }
}
