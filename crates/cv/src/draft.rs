//! A container while its command line is being read.
//!
//! Options come in any order and some only make sense together (`--cpus` and `--cpu-period`), so
//! they are collected here and become a [`Request`] at the end.

use containerv::{Error, ErrorKind, Image, ImageOverrides, PullPolicy};
use containerv_spec::image::Platform;
use containerv_spec::request::{
    Dns, IdRange, Isolation, Lifetime, Log, NamedNetwork, Namespaces, Network, Overlay, Process, Root,
    Security, Stop, UserNamespace,
};
use containerv_spec::{Capability, CapabilitySet, ContainerId, Limits, OsText, Request};

use crate::failure::Failure;
use crate::flags::windows;
use crate::syntax::parse::wrong_value;
use crate::syntax::{Action, Parsed};
use crate::value::{native, wrong};

/// Turns a reference to a container (id, prefix or name) into its id.
pub type Resolve<'a> = &'a dyn Fn(&str) -> Result<ContainerId, Error>;

/// The system that a container is for, by whose rules options are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Linux.
    Linux,
    /// Windows.
    Windows,
}

impl Target {
    /// Returns Docker's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Windows => "windows",
        }
    }
}

/// Which of the kernel namespaces of another container are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Processes.
    Pid,
    /// System V and POSIX message queues and shared memory.
    Ipc,
    /// Network.
    Network,
}

/// A capability on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// `ALL`.
    All,
    /// One of them.
    One(Capability),
}

/// Everything that options have said so far.
pub struct Draft {
    /// The system that it is for.
    pub target: Target,
    /// What needs no second look.
    pub request: Request,
    /// The command's surroundings.
    pub process: Process,
    /// Entries of `--env-file`, which `--env` overrides.
    pub env_files: Vec<OsText>,
    /// `--http-proxy`: the command gets the proxies of the user's file.
    pub http_proxy: bool,
    /// Those proxies, which `--env-file` and `--env` override.
    pub proxies: Vec<OsText>,
    /// Labels of `--label-file`, which `--label` overrides.
    pub label_files: Vec<OsText>,
    /// `--entrypoint`.
    pub entrypoint: Option<OsText>,
    /// `--rootfs` was given, so that the first operand is the command.
    pub rootfs: bool,
    /// `--cpus` in millionths.
    pub cpus: Option<u64>,
    /// `--cap-add`.
    pub added: Vec<Named>,
    /// `--cap-drop`.
    pub dropped: Vec<Named>,
    /// `--uidmap`.
    pub uid_ranges: Vec<IdRange>,
    /// `--gidmap`.
    pub gid_ranges: Vec<IdRange>,
    /// Namespaces of other containers, by reference.
    pub joined: Vec<(Joined, String)>,
    /// `--cidfile`.
    pub cidfile: Option<OsText>,
    /// `--pull`.
    pub pull: PullPolicy,
    /// `--platform`.
    pub platform: Option<Platform>,
    /// What was said about the command in place of what its image says.
    pub instead: Instead,
}

/// Surroundings of the command that were given: an image's do not count then.
#[derive(Clone, Copy, Debug, Default)]
pub struct Instead {
    /// `--workdir`.
    pub workdir: bool,
    /// `--user`.
    pub user: bool,
    /// `--stop-signal`.
    pub stop_signal: bool,
}

impl Default for Draft {
    /// A container with every default.
    fn default() -> Self {
        Self {
            target: Target::Linux,
            request: empty_request(),
            process: Process { create_cwd: true, ..Process::new(Vec::new()) },
            env_files: Vec::new(),
            http_proxy: true,
            proxies: Vec::new(),
            label_files: Vec::new(),
            entrypoint: None,
            rootfs: false,
            cpus: None,
            added: Vec::new(),
            dropped: Vec::new(),
            uid_ranges: Vec::new(),
            gid_ranges: Vec::new(),
            joined: Vec::new(),
            cidfile: None,
            pull: PullPolicy::Missing,
            platform: None,
            instead: Instead::default(),
        }
    }
}

impl Draft {
    /// A container with every default of a system.
    fn of(target: Target) -> Self {
        let mut draft = Self { target, ..Self::default() };
        if target == Target::Windows {
            draft.request.network = Network::Named(NamedNetwork::new("nat"));
            (draft.process.create_cwd, draft.process.set_home) = (false, false);
        }
        draft
    }

    /// Reads every option that changes the request, for this machine's system. All that is wrong with their values comes along,
    /// each naming its option.
    pub fn read(parsed: &Parsed) -> (Self, Vec<Error>) {
        Self::read_for(parsed, crate::platform::TARGET)
    }

    /// As [`Draft::read`], for a system.
    pub fn read_for(parsed: &Parsed, target: Target) -> (Self, Vec<Error>) {
        let mut draft = Self::of(target);
        let mut problems = Vec::new();
        for given in &parsed.given {
            let other = windows::option(given.flag.long).filter(|_| target == Target::Windows);
            let action = match given.flag.action {
                Action::Verb => Action::Verb,
                action => other.map_or(action, Action::Request),
            };
            let result = match action {
                Action::Verb => Ok(()),
                Action::Request(apply) => apply(&mut draft, &given.text)
                    .map_err(|error| wrong_value(given.flag.long, &given.text, error)),
                Action::Refused(way_out) => {
                    let other = windows::way_out(given.flag.long).filter(|_| target == Target::Windows);
                    let way_out = other.unwrap_or(way_out);
                    let message = format!("`--{}` is not offered yet", given.flag.long);
                    Err(Error::new(ErrorKind::Unsupported, message).with_hint(way_out))
                }
            };
            problems.extend(result.err());
        }
        problems.extend(draft.combine());
        (draft, problems)
    }

    /// As [`Draft::read`].
    ///
    /// # Errors
    ///
    /// All that is wrong.
    pub fn read_well(parsed: &Parsed) -> Result<Self, Failure> {
        let (draft, problems) = Self::read(parsed);
        if problems.is_empty() { Ok(draft) } else { Err(Failure::Usage(problems)) }
    }

    /// As [`Draft::read`], and checks that there is a root and a command.
    ///
    /// # Errors
    ///
    /// All that is wrong.
    pub fn read_container(parsed: &Parsed) -> Result<Self, Failure> {
        Self::read_container_for(parsed, crate::platform::TARGET)
    }

    /// As [`Draft::read_container`], for a system.
    ///
    /// # Errors
    ///
    /// All that is wrong.
    pub fn read_container_for(parsed: &Parsed, target: Target) -> Result<Self, Failure> {
        let (draft, mut problems) = Self::read_for(parsed, target);
        problems.extend(draft.check_operands(&parsed.operands).err());
        if problems.is_empty() { Ok(draft) } else { Err(Failure::Usage(problems)) }
    }

    /// Works out what depends on more than one option.
    fn combine(&mut self) -> Vec<Error> {
        let mut problems = Vec::new();
        problems.extend(self.combine_cpus().err());
        problems.extend(self.combine_ids().err());
        self.request.security.capabilities.0 = capabilities(&self.added, &self.dropped);
        problems
    }

    fn combine_cpus(&mut self) -> Result<(), Error> {
        let Some(millionths) = self.cpus else { return Ok(()) };
        let limits = &mut self.request.limits;
        if limits.cpu_quota.is_some() {
            return Err(wrong("`--cpus` and `--cpu-quota` both set the quota").with_hint("give one of them"));
        }
        let period = limits.cpu_period.unwrap_or(100_000);
        let quota = u128::from(millionths) * u128::from(period) / 1_000_000;
        let quota = u64::try_from(quota).map_err(|_| wrong("`--cpus`: number too large"))?;
        limits.cpu_quota = Some(containerv_spec::Bound::At(quota));
        limits.cpu_period = Some(period);
        Ok(())
    }

    fn combine_ids(&mut self) -> Result<(), Error> {
        let (uids, gids) = (std::mem::take(&mut self.uid_ranges), std::mem::take(&mut self.gid_ranges));
        if uids.is_empty() && gids.is_empty() {
            return Ok(());
        }
        if self.request.namespaces.user != UserNamespace::Auto {
            return Err(wrong("`--userns` and `--uidmap`/`--gidmap` contradict each other")
                .with_hint("leave `--userns` away where ranges are given"));
        }
        // As podman does: one list stands for both.
        let (uids, gids) = match (uids.is_empty(), gids.is_empty()) {
            (true, _) => (gids.clone(), gids),
            (_, true) => (uids.clone(), uids),
            _ => (uids, gids),
        };
        self.request.namespaces.user = UserNamespace::Mapped { uids, gids };
        Ok(())
    }

    /// Checks the image and that there is a command, before anything is opened.
    fn check_operands(&self, operands: &[OsText]) -> Result<(), Error> {
        let command = self.split_image(operands)?;
        if self.image_name(operands)?.is_some() {
            // It has a command of its own, or says so when it is there.
            return Ok(());
        }
        let entrypoint = self.entrypoint.iter().filter(|program| !program.is_empty());
        match entrypoint.chain(command).next() {
            None => Err(wrong("no command was given").with_hint(match (self.rootfs, self.target) {
                (true, Target::Linux) => {
                    "with `--rootfs` the first operand is the command: `cv run --rootfs DIR sh`"
                }
                (true, Target::Windows) => {
                    "with `--layer` or `--rootfs` the first operand is the command: `cv run --layer DIR cmd`"
                }
                (false, Target::Linux) => "name one after the image: `cv run host sh`",
                (false, Target::Windows) => "name one after the image: `cv run C:\\layers\\nanoserver cmd`",
            })),
            Some(program) if program.is_empty() => Err(wrong("the command is an empty word")),
            Some(_) => Ok(()),
        }
    }

    /// Returns the reference to an image of a registry that the operands begin with, if they do: not `host`, and
    /// on Windows not the folder of a layer.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn image_name<'a>(&self, operands: &'a [OsText]) -> Result<Option<&'a str>, Error> {
        let Some(image) = operands.first().filter(|_| !self.rootfs) else { return Ok(None) };
        match self.target {
            Target::Linux if image.as_bytes() == b"host" => Ok(None),
            Target::Windows if windows::is_folder(image) => Ok(None),
            Target::Windows if image.as_bytes() == b"host" => windows::check_image(image).map(|()| None),
            _ => {
                let name = crate::value::utf8(image)?;
                containerv::parse_reference(name)?;
                Ok(Some(name))
            }
        }
    }

    /// Completes the request: the image or root directory and the command from the operands, the
    /// environment, the id, and the containers whose namespaces are joined. `image` is that of
    /// [`Draft::image_name`].
    ///
    /// # Errors
    ///
    /// All that is wrong with the operands and references.
    pub fn finish(
        mut self,
        id: ContainerId,
        operands: &[OsText],
        image: Option<&Image>,
        resolve: Resolve<'_>,
    ) -> Result<Request, Vec<Error>> {
        let mut problems = Vec::new();
        let entrypoint = self.entrypoint.clone();
        match self.split_image(operands) {
            Ok(command) => {
                let entrypoint = self.entrypoint.take().filter(|program| !program.is_empty());
                self.process.args = entrypoint.into_iter().chain(command.iter().cloned()).collect();
                if let (Target::Windows, false, None, Some(folder)) =
                    (self.target, self.rootfs, image, operands.first())
                {
                    problems.extend(windows::take_image(&mut self, folder).err());
                }
            }
            Err(error) => problems.push(error),
        }
        for (joined, reference) in std::mem::take(&mut self.joined) {
            match resolve(&reference) {
                Ok(id) => self.join(joined, id),
                Err(error) => problems.push(error.context(format!("`{}`", joined.option(&reference)))),
            }
        }
        self.request.id = id;
        self.request.created_unix_ns = crate::value::time::now_unix_ns();
        let (defaults, given) = self.finish_environment();
        problems.extend(self.check_platform(image).err());
        if let (Some(image), true) = (image, problems.is_empty()) {
            let command = operands.get(1..).unwrap_or_default().to_vec();
            let asked = self.overrides(entrypoint, command, defaults, given);
            let Self { mut request, process, .. } = self;
            return match image.complete(&mut request, process, &asked) {
                Ok(()) => Ok(request),
                Err(error) => Err(vec![error]),
            };
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        self.process.env = merge_environment(defaults.into_iter().chain(given));
        self.request.process = Some(self.process);
        Ok(self.request)
    }

    /// What counts in place of what the image says.
    fn overrides(
        &self,
        entrypoint: Option<OsText>,
        command: Vec<OsText>,
        default_env: Vec<OsText>,
        env: Vec<OsText>,
    ) -> ImageOverrides {
        ImageOverrides {
            entrypoint: entrypoint
                .map(|program| Some(program).filter(|program| !program.is_empty()).into_iter().collect()),
            command,
            default_env,
            env: merge_environment(env),
            workdir: self.instead.workdir.then(|| self.process.cwd.clone()),
            user: self.instead.user.then(|| self.process.user.clone()),
            stop_signal: self.instead.stop_signal.then_some(self.request.stop.signal),
        }
    }

    /// What has no platform of its own to be chosen is of this machine's.
    fn check_platform(&self, image: Option<&Image>) -> Result<(), Error> {
        let Some(platform) = self.platform.as_ref().filter(|_| image.is_none()) else { return Ok(()) };
        let here = Platform::new(self.target.name(), std::env::consts::ARCH);
        if platform.os == here.os
            && (self.target == Target::Windows || platform.architecture == here.architecture)
        {
            return Ok(());
        }
        let message = format!("`--platform {platform}`: this machine runs `{here}`");
        Err(Error::new(ErrorKind::Unsupported, message)
            .with_hint("leave `--platform` away, or name an image that has it"))
    }

    /// Takes the image off the operands unless the root is named by options; returns the command.
    fn split_image<'a>(&self, operands: &'a [OsText]) -> Result<&'a [OsText], Error> {
        if self.rootfs {
            return Ok(operands);
        }
        if let (Target::Windows, Some((image, command))) = (self.target, operands.split_first()) {
            return match windows::is_folder(image) {
                true => windows::check_image(image).map(|()| command),
                false => self.image_name(operands).map(|_| command),
            };
        }
        let Some((image, command)) = operands.split_first() else {
            return Err(wrong("no image was named").with_hint(match self.target {
                Target::Linux => {
                    "`host` is the built-in image: `cv run host sh`; `--rootfs DIR` uses a directory"
                }
                Target::Windows => "name the folder of an image's layer: `cv run C:\\layers\\nanoserver cmd`",
            }));
        };
        if let Err(error) = self.image_name(operands) {
            return Err(match std::path::Path::new(&native::to_os(image)?).is_dir() {
                true => {
                    error.with_hint(format!("for a directory with a root file system: `--rootfs {image}`"))
                }
                false => error,
            });
        }
        Ok(command)
    }

    fn join(&mut self, joined: Joined, id: ContainerId) {
        use containerv_spec::request::Share;
        match joined {
            Joined::Pid => self.request.namespaces.pid = Share::Container(id),
            Joined::Ipc => self.request.namespaces.ipc = Share::Container(id),
            Joined::Network => self.request.network = Network::Container(id),
        }
    }

    /// Returns the default environment, and what was given: proxies, files, then single entries.
    fn finish_environment(&mut self) -> (Vec<OsText>, Vec<OsText>) {
        let defaults = match self.target {
            Target::Linux => self.default_environment(),
            // Windows gives each process the variables of the system and of the user.
            Target::Windows => Vec::new(),
        };
        let given = std::mem::take(&mut self.process.env);
        let files = std::mem::take(&mut self.env_files);
        let proxies = std::mem::take(&mut self.proxies);
        for entry in std::mem::take(&mut self.label_files) {
            let (name, value) = crate::value::fields::key_value(&entry);
            let value = value.unwrap_or_default().to_string();
            self.request.labels.entry(name.to_string()).or_insert(value);
        }
        (defaults, proxies.into_iter().chain(files).chain(given).collect())
    }
}

impl Draft {
    fn default_environment(&self) -> Vec<OsText> {
        let hostname = self.request.host_name();
        let mut defaults = containerv::default_environment();
        defaults.push(OsText::from(format!("HOSTNAME={hostname}")));
        if self.process.terminal.is_some() {
            defaults.push(OsText::from("TERM=xterm"));
        }
        defaults
    }
}

impl Joined {
    fn option(self, reference: &str) -> String {
        let option = match self {
            Self::Pid => "pid",
            Self::Ipc => "ipc",
            Self::Network => "network",
        };
        format!("--{option} container:{reference}")
    }
}

/// Keeps the last entry of each name, in the place of the first. An entry without `=` takes the
/// value of this program's environment, or removes the name where it has none.
pub fn merge_environment(entries: impl IntoIterator<Item = OsText>) -> Vec<OsText> {
    let mut merged: Vec<(OsText, Option<OsText>)> = Vec::new();
    for entry in entries {
        let (name, value) = crate::value::fields::key_value(&entry);
        let entry = match value {
            Some(_) => Some(entry),
            None => inherited(&name),
        };
        match merged.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = entry,
            None => merged.push((name, entry)),
        }
    }
    merged.into_iter().filter_map(|(_, entry)| entry).collect()
}

fn inherited(name: &OsText) -> Option<OsText> {
    let value = std::env::var_os(native::to_os(name).ok()?)?;
    let value = native::from_os(&value).ok()?;
    Some(OsText::from_bytes([name.as_bytes(), b"=", value.as_bytes()].concat()))
}

/// Docker's rule: `--cap-add ALL` starts from all, `--cap-drop ALL` from none, and single names
/// count after that.
fn capabilities(added: &[Named], dropped: &[Named]) -> CapabilitySet {
    let start = match (added.contains(&Named::All), dropped.contains(&Named::All)) {
        (true, _) => CapabilitySet::ALL,
        (_, true) => CapabilitySet::EMPTY,
        _ => CapabilitySet::DEFAULT,
    };
    let one = |named: &Named| match named {
        Named::One(capability) => Some(*capability),
        Named::All => None,
    };
    let with = added.iter().filter_map(one).fold(start, CapabilitySet::with);
    let kept = dropped.iter().filter_map(one).filter(|name| !added.contains(&Named::One(*name)));
    kept.fold(with, CapabilitySet::without)
}

fn empty_request() -> Request {
    Request {
        id: ContainerId::from_random([0; 32]),
        name: None,
        created_unix_ns: 0,
        labels: std::collections::BTreeMap::new(),
        isolation: Isolation::Default,
        root: Root::Host,
        overlay: Overlay::Default,
        read_only: false,
        mounts: Vec::new(),
        namespaces: Namespaces::default(),
        network: Network::None,
        ports: Vec::new(),
        dns: Dns::default(),
        hostname: None,
        domainname: None,
        extra_hosts: Vec::new(),
        sysctls: std::collections::BTreeMap::new(),
        limits: Limits::default(),
        cgroup_parent: None,
        security: Security::default(),
        devices: Vec::new(),
        assigned_devices: Vec::new(),
        storage_bytes: None,
        shm_bytes: None,
        process: None,
        init: false,
        lifetime: Lifetime::Detached,
        auto_remove: false,
        log: Log::default(),
        stop: Stop::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(entries: &[&str]) -> Vec<OsText> {
        entries.iter().map(|entry| OsText::from(*entry)).collect()
    }

    #[test]
    fn later_environment_entries_win_in_the_place_of_the_first() {
        let merged = merge_environment(texts(&["A=1", "B=2", "A=3", "NOT_SET_ANYWHERE_9", "B"]));
        assert_eq!(merged, texts(&["A=3"]), "B is not set in the test's environment, so it goes");
    }

    #[test]
    fn capabilities_follow_docker() {
        let net = Named::One(Capability::NET_ADMIN);
        let chown = Named::One(Capability::CHOWN);
        let (default, all) = (CapabilitySet::DEFAULT, CapabilitySet::ALL);
        for (added, dropped, expected) in [
            (vec![], vec![], default),
            (vec![net], vec![], default.with(Capability::NET_ADMIN)),
            (vec![], vec![chown], default.without(Capability::CHOWN)),
            (vec![Named::All], vec![chown], all.without(Capability::CHOWN)),
            (vec![chown], vec![Named::All], CapabilitySet::EMPTY.with(Capability::CHOWN)),
            (vec![], vec![Named::All], CapabilitySet::EMPTY),
            (vec![Named::All], vec![Named::All], all),
        ] {
            assert_eq!(capabilities(&added, &dropped), expected, "{added:?} {dropped:?}");
        }
    }
}
