//! `cargo xtask bench images`: pulling, unpacking and pushing images beside others, and beside what downloading,
//! decompressing and making files alone cost. Ratios tell something; times are those of one machine at one hour.

mod contenders;
mod registry;
mod subjects;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::place::{self, Shuffle};
use super::{page, table};
use crate::command;
use crate::failure::{Failure, Result};
use crate::setup;
use crate::{product, workspace};

use contenders::{CONTENDERS, Contender, DAEMON, GROUPS, Group, ONE_PULL, PREPARATION, TWO_PULLS};
use registry::Registry;
use subjects::{SUBJECTS, Subject};

const USAGE: &str = "\
usage: cargo xtask bench images [OPTION..]

  --rounds N   measured rounds, after one that warms up (default 3)
  --cv PATH    measure this `cv` instead of one built now
  --image WORD the images whose name has this in it
  --only WORD  the lines whose name, with that of its table, has this in it, as `pulling`; more than once for more.
               With --image or --only the results are shown, and not written to docs/benchmarks.md";

/// After a removal.
const SETTLING: Duration = Duration::from_secs(65);

struct Options {
    rounds: usize,
    cv: Option<PathBuf>,
    image: Option<String>,
    only: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Option<Options>> {
        let mut options = Options { rounds: 3, cv: None, image: None, only: Vec::new() };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match (word.as_str(), words.next()) {
                ("--rounds", Some(number)) => {
                    let wrong = |_| Failure::new(format!("`{number}` is no number of rounds"));
                    options.rounds = number.parse().map_err(wrong)?;
                }
                ("--cv", Some(path)) => options.cv = Some(PathBuf::from(path)),
                ("--image", Some(word)) => options.image = Some(word.clone()),
                ("--only", Some(word)) => options.only.push(word.clone()),
                _ => return Ok(None),
            }
        }
        Ok(Some(options))
    }

    fn wants(&self, contender: &Contender) -> bool {
        let name = format!("{}: {}", contender.group.title(), contender.name);
        self.only.is_empty() || self.only.iter().any(|word| name.contains(word))
    }

    fn wants_image(&self, subject: &Subject) -> bool {
        self.image.as_ref().is_none_or(|word| subject.name.contains(word))
    }

    fn is_whole(&self) -> bool {
        self.image.is_none() && self.only.is_empty()
    }
}

pub(super) fn run(arguments: &[String]) -> Result<()> {
    let Some(options) = Options::parse(arguments)? else {
        println!("{USAGE}");
        return Ok(());
    };
    setup::install().iter().for_each(|item| println!("missing: {item}"));
    let cv = options.cv.clone().map_or_else(product::build_cv, |cv| Ok(Some(cv)))?;
    let cv = cv.ok_or_else(|| Failure::new("there is no `cv` to measure"))?;
    let directory = workspace::target().join("bench/images");
    let mut text = conditions(options.rounds);
    for subject in SUBJECTS.iter().filter(|subject| options.wants_image(subject)) {
        let generated = directory.join(subject.name.replace(' ', "-"));
        if !generated.join("layout/index.json").is_file() {
            println!("generating {} ...", subject.name);
            subjects::generate(subject, &generated)?;
        }
        text += &Bench::prepare(subject, &generated, &cv, &options)?.measure(options.rounds)?;
    }
    text += REMARKS;
    println!("{text}");
    if options.is_whole() { page::write_images(&text) } else { Ok(()) }
}

/// Machine and manner, as for containers.
fn conditions(rounds: usize) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let machine = format!("- Machine: {}, {cores} cores, Linux {}", table::processor(), table::kernel());
    format!(
        "Written by `cargo xtask bench images`.\n\n{machine}\n- {rounds} rounds after one that warms up, in an order drawn anew; load {} before\n",
        place::load()
    )
}

const REMARKS: &str = "
- A ratio is the median of the line's time divided by that of ours, the table's first line: more than 1 is slower than ours.
- Each pull and unpacking begins with an empty store, from a registry on the same machine (Debian's docker-registry) or an image layout, in the
  page cache. *Downloaded* is what the registry sent of layers and configurations, by its log.
  Two pulls at once each ask for the configuration, before they look for layers.
  `ctr` has a daemon started for it, which is part of its time.
- What `cv` has pulled or loaded is on the disk when it ends; of the others, only the line with *sync* makes sure of that.
- *wget, openssl twice, pigz -dc, tar x, sync* is all that a pull does, by a tool for each step, in one pipeline: downloading, keeping and
  digesting each layer, decompressing it, digesting the archive, making files. *openssl twice, pigz -dc, tar x* is the same of layers that are
  there, to compare `cv load` with. The lines below are single steps: *download alone* is wget to nowhere, one layer after the other;
  *tar x* has the layers decompressed; *sha256sum* and *openssl sha256* digest those.
- Each push to an empty registry is to one that was started for it. What podman pushes it compresses anew. *curl* sends the layers alone.
  In the last table the registry has the layers in another repository, and mounts them.
";

/// One image with all that is measured of it.
struct Bench<'a> {
    subject: &'a Subject,
    generated: &'a Path,
    registry: Registry,
    contenders: Vec<&'static Contender>,
    /// The same for all contenders: variables of their scripts.
    variables: Vec<(&'static str, String)>,
}

/// What was measured of one contender.
#[derive(Default)]
struct Measured {
    seconds: Vec<f64>,
    /// Bytes that the registry has sent, each time.
    sent: Vec<u64>,
}

impl<'a> Bench<'a> {
    /// Puts the image into the registry and where it is pushed from, and writes what peers want to be configured by.
    fn prepare(subject: &'a Subject, generated: &'a Path, cv: &Path, options: &Options) -> Result<Self> {
        let contenders: Vec<_> = CONTENDERS.iter().filter(|contender| options.wants(contender)).collect();
        let registry = Registry::start(generated)?;
        let image = format!("{}/bench:1", registry.name);
        let layout = generated.join("layout");
        workspace::write(
            &generated.join("policy.json"),
            r#"{"default":[{"type":"insecureAcceptAnything"}]}"#,
        )?;
        let cri = "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n";
        workspace::write(&generated.join("containerd.toml"), cri)?;
        workspace::write(&generated.join("daemon.sh"), DAEMON)?;
        let mut copy = Command::new("skopeo");
        copy.args(["copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false"]);
        command::run(copy.arg(format!("oci:{}:bench", layout.display())).arg(format!("docker://{image}")))?;
        let kept = generated.join("kept");
        command::run(Command::new(cv).arg("--root").arg(&kept).args(["pull", "--quiet", &image]))?;
        let layers = subjects::manifest_layers(&layout)?;
        let list = |paths: &mut dyn Iterator<Item = PathBuf>| {
            paths.map(|path| command::quoted(&path.to_string_lossy())).collect::<Vec<_>>().join(" ")
        };
        let url = |path: &PathBuf| {
            let digest = path.file_name().unwrap_or_default().to_string_lossy();
            format!("http://{}/v2/bench/blobs/sha256:{digest}", registry.name)
        };
        let place = |name: &str| generated.join(name).display().to_string();
        let mut archives = (0..subject.layers).map(|layer| generated.join(format!("{layer}.tar")));
        let variables = vec![
            ("cv", cv.display().to_string()),
            ("layout", layout.display().to_string()),
            ("blobs", list(&mut layers.iter().cloned())),
            ("archives", list(&mut archives)),
            ("urls", layers.iter().map(url).collect::<Vec<_>>().join(" ")),
            ("image", image),
            ("kept", kept.display().to_string()),
            ("kept_podman", place("kept-podman")),
            ("kept_ctr", place("kept-ctr")),
            ("policy", place("policy.json")),
            ("containerd", place("containerd.toml")),
            ("daemon", place("daemon.sh")),
        ];
        Ok(Self { subject, generated, registry, contenders, variables })
    }

    fn measure(&self, rounds: usize) -> Result<String> {
        let places = self.generated.join("unpacked");
        clear(&places)?;
        if self.contenders.iter().any(|contender| contender.group == Group::Pushing) {
            self.shell(PREPARATION, "preparing", &[("to", places.join("state").display().to_string())])?;
        }
        let mut measured: Vec<Measured> = self.contenders.iter().map(|_| Measured::default()).collect();
        let mut shuffle = Shuffle::new();
        for round in 0..=rounds {
            let mut order: Vec<usize> = (0..self.contenders.len()).collect();
            shuffle.apply(&mut order);
            clear(&places)?;
            for index in order {
                let (seconds, sent) = self.once(index, round, &places)?;
                if round > 0 {
                    measured[index].seconds.push(seconds);
                    measured[index].sent.push(sent);
                }
            }
        }
        clear(&places)?;
        Ok(self.tables(&mut measured))
    }

    /// Runs one contender; returns the seconds that it took and the bytes that it had from the registry.
    fn once(&self, index: usize, round: usize, places: &Path) -> Result<(f64, u64)> {
        let contender = self.contenders[index];
        let empty = match contender.group {
            Group::Pushing => {
                let place = places.join(format!("{index}.registry"));
                workspace::make_directory(&place)?;
                Some(Registry::start(&place)?)
            }
            _ => None,
        };
        let host = &empty.as_ref().unwrap_or(&self.registry).name;
        let repository = if empty.is_some() { "bench".to_owned() } else { format!("new{index}-{round}") };
        let variables = [
            ("host", host.clone()),
            ("new", format!("{host}/{repository}:1")),
            ("to", places.join(index.to_string()).display().to_string()),
        ];
        rustix::fs::sync();
        let before = self.registry.sent()?;
        let begin = Instant::now();
        self.shell(contender.script, contender.name, &variables)?;
        let seconds = begin.elapsed().as_secs_f64();
        Ok((seconds, self.registry.sent()? - before))
    }

    fn shell(&self, script: &str, name: &str, variables: &[(&str, String)]) -> Result<()> {
        let mut shell = Command::new("sh");
        shell.args(["-ec", script]).envs(self.variables.iter().map(|(name, value)| (name, value)));
        shell.envs(variables.iter().map(|(name, value)| (name, value))).stdout(Stdio::null());
        let status = shell.status().map_err(|error| Failure::io("starting `sh`", &error))?;
        if status.success() { Ok(()) } else { Err(Failure::new(format!("`{name}`: {status}"))) }
    }

    fn tables(&self, measured: &mut [Measured]) -> String {
        let mut text = format!("\n### {}\n", self.subject.name);
        for group in GROUPS {
            let lines: Vec<_> = self
                .contenders
                .iter()
                .zip(&mut *measured)
                .filter(|(contender, _)| contender.group == *group)
                .map(|(contender, measured)| {
                    (contender.name, median(&mut measured.seconds), median(&mut measured.sent))
                })
                .collect();
            let Some(&(ours, Some(least), _)) = lines.first() else { continue };
            let downloaded = *group == Group::Pulling;
            let more = if downloaded { [" downloaded, MB |", " ---: |"] } else { ["", ""] };
            let _ = writeln!(text, "\n| {} | s | of `{ours}` |{}", group.title(), more[0]);
            let _ = writeln!(text, "| --- | ---: | ---: |{}", more[1]);
            for (name, seconds, sent) in &lines {
                let seconds = seconds.unwrap_or(f64::NAN);
                let _ = write!(text, "| {name} | {seconds:.2} | {:.2} |", seconds / least);
                match sent.filter(|_| downloaded).map(|sent| sent / 1_000_000) {
                    Some(0) => text += "  |",
                    Some(sent) => {
                        let _ = write!(text, " {sent} |");
                    }
                    None => {}
                }
                text += "\n";
            }
            let of = |wanted| lines.iter().find(|(name, ..)| downloaded && *name == wanted)?.2;
            if let (Some(one), Some(two)) = (of(ONE_PULL), of(TWO_PULLS)) {
                let _ = writeln!(
                    text,
                    "\nDownloaded by two pulls at once and not by one: {} bytes.",
                    two.saturating_sub(one)
                );
            }
        }
        text
    }
}

/// Empties a directory, and waits: ext4 makes files more slowly for seconds after a large removal.
fn clear(places: &Path) -> Result<()> {
    if places.exists() {
        fs::remove_dir_all(places).map_err(|error| Failure::io("removing what was unpacked", &error))?;
        std::thread::sleep(SETTLING);
    }
    workspace::make_directory(places)
}

fn median<T: PartialOrd + Copy>(values: &mut [T]) -> Option<T> {
    values.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    values.get(values.len() / 2).copied()
}
