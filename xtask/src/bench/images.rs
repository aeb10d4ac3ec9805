//! `cargo xtask bench images`: pulling, unpacking and pushing images beside others, and beside what downloading,
//! decompressing and making files alone cost. Ratios tell something; times are those of one machine at one hour.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::place::{self, Shuffle};
use super::{page, table};
use crate::command;
use crate::failure::{Failure, Result};
use crate::setup;
use crate::{product, workspace};

const USAGE: &str = "\
usage: cargo xtask bench images [OPTION..]

  --rounds N   measured rounds, after one that warms up (default 3)
  --cv PATH    measure this `cv` instead of one built now";

/// An image that is generated: its name, its layers, and files of each kind in a layer.
struct Subject {
    name: &'static str,
    layers: usize,
    small_files: usize,
    large_files: usize,
}

const SUBJECTS: &[Subject] = &[
    Subject { name: "10 layers of 50 MB", layers: 10, small_files: 2000, large_files: 5 },
    Subject { name: "1 layer of 1 GB", layers: 1, small_files: 8000, large_files: 110 },
];
const SMALL: usize = 4 << 10;
const LARGE: usize = 8 << 20;

/// What is measured: the name, and a script for a shell. `$layout` is the image as an image layout, `$blobs`
/// its layers, `$archives` the same not compressed, `$urls` the same in the registry, `$image` the image there,
/// `$kept` a root of ours that has it, `$new` a name in the registry that nothing has, `$to` a directory that is not
/// there yet.
const CONTENDERS: &[(&str, &str)] = &[
    (OURS, "CONTAINERV_ROOT=$to $cv pull --quiet $image"),
    (
        "skopeo copy, umoci unpack",
        "skopeo copy --quiet --insecure-policy --src-tls-verify=false docker://$image oci:$to.oci:bench; \
         umoci unpack --image $to.oci:bench $to",
    ),
    (
        "podman pull",
        // It takes no long path for this.
        "run=$(mktemp -d); podman --root $to/root --runroot $run --storage-driver overlay pull --quiet \
         --tls-verify=false --signature-policy $policy $image; rm -r $run",
    ),
    (
        "ctr image pull",
        "mkdir $to; containerd --config $containerd --root $to/root --state $to/state --address $to/socket 2> $to/log & \
         daemon=$!; until ctr --address $to/socket version > /dev/null 2>&1; do sleep 0.02; done; \
         ctr --address $to/socket image pull --plain-http $image; kill $daemon; wait $daemon",
    ),
    ("download alone", "for url in $urls; do wget -q -O /dev/null $url; done"),
    ("cv load", "CONTAINERV_ROOT=$to $cv load --quiet --input $layout"),
    ("umoci unpack", "umoci unpack --image $layout:bench $to"),
    ("pigz -dc, tar x", "mkdir $to; for blob in $blobs; do pigz -dc $blob | tar -C $to -x; done"),
    ("tar x", "mkdir $to; for archive in $archives; do tar -C $to -xf $archive; done"),
    ("pigz -dc", "for blob in $blobs; do pigz -dc $blob > /dev/null; done"),
    ("sha256sum", "cat $archives | sha256sum"),
    (
        "cv push",
        "CONTAINERV_ROOT=$kept; export CONTAINERV_ROOT; $cv tag $image $new; $cv push --quiet $new; $cv rmi $new",
    ),
    (
        "skopeo copy to it",
        "skopeo copy --quiet --insecure-policy --dest-tls-verify=false oci:$layout:bench docker://$new",
    ),
];
const OURS: &str = "cv pull";
/// How often a server is asked whether it is there, 50 ms apart.
const PATIENCE: u32 = 200;
/// After a removal.
const SETTLING: Duration = Duration::from_secs(8);

pub(super) fn run(arguments: &[String]) -> Result<()> {
    let (mut rounds, mut cv) = (3, None);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match (word.as_str(), words.next()) {
            ("--rounds", Some(number)) => {
                rounds =
                    number.parse().map_err(|_| Failure::new(format!("`{number}` is no number of rounds")))?;
            }
            ("--cv", Some(path)) => cv = Some(PathBuf::from(path)),
            _ => {
                println!("{USAGE}");
                return Ok(());
            }
        }
    }
    setup::install().iter().for_each(|item| println!("missing: {item}"));
    let cv = cv.map_or_else(product::build_cv, |cv| Ok(Some(cv)))?;
    let cv = cv.ok_or_else(|| Failure::new("there is no `cv` to measure"))?;
    let directory = workspace::target().join("bench/images");
    let mut text = conditions(rounds);
    for subject in SUBJECTS {
        let generated = directory.join(subject.name.replace(' ', "-"));
        if !generated.join("layout/index.json").is_file() {
            println!("generating {} ...", subject.name);
            generate(subject, &generated)?;
        }
        text += &measure(subject, &generated, &cv, rounds)?;
    }
    text += REMARKS;
    println!("{text}");
    page::write_images(&text)
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
- A ratio is the median of the line's time divided by that of ours: more than 1 is slower than ours.
- Each pull and unpacking begins with an empty store, from a registry on the same machine (Debian's docker-registry) or an image layout, in the
  page cache. A push goes to a new repository of a registry that has the layers in another one, so that they are mounted. `ctr` has a daemon started for it, which is part of its time.
- *download alone* is wget to nowhere, one layer after the other; *tar x* has the layers decompressed; *sha256sum* digests those.
";

/// A registry of this benchmark's own, ended with it.
struct Registry {
    process: Child,
    name: String,
}

impl Registry {
    fn start(directory: &Path) -> Result<Registry> {
        let io = |error| Failure::io("starting a registry", &error);
        let address = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).map_err(io)?;
        let configuration = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            directory.join("registry").display()
        );
        let file = directory.join("registry.yml");
        workspace::write(&file, configuration)?;
        let log = File::create(directory.join("registry.log")).map_err(io)?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&file).stdin(Stdio::null());
        let process = command.stdout(log.try_clone().map_err(io)?).stderr(log).spawn().map_err(io)?;
        let registry = Registry { process, name: address.to_string() };
        for _ in 0..PATIENCE {
            if TcpStream::connect(address).is_ok() {
                return Ok(registry);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(Failure::new("the registry does not answer"))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Text that compresses as programs and documents do, to about a third.
fn content(seed: &mut u64, length: usize) -> Vec<u8> {
    const WORDS: &[&[u8]] =
        &[b"the ", b"of ", b"container ", b"layer ", b"\0\0\0\0", b"return ", b"int ", b"0x7f", b"\n"];
    let mut bytes = Vec::with_capacity(length + 16);
    while bytes.len() < length {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        match *seed % 4 {
            0 => bytes.extend_from_slice(&seed.to_le_bytes()),
            _ => bytes.extend_from_slice(WORDS[usize::try_from(*seed >> 32).unwrap_or(0) % WORDS.len()]),
        }
    }
    bytes.truncate(length);
    bytes
}

fn generate(subject: &Subject, directory: &Path) -> Result<()> {
    let io = |error| Failure::io("generating an image", &error);
    let blobs = directory.join("layout/blobs/sha256");
    workspace::make_directory(&blobs)?;
    let mut seed = 0x9E37_79B9_7F4A_7C15;
    let (mut layers, mut diff_ids) = (Vec::new(), Vec::new());
    for layer in 0..subject.layers {
        let tree = directory.join("tree");
        for number in 0..subject.small_files {
            let parent = tree.join(format!("usr/share/{layer}/{}", number / 100));
            fs::create_dir_all(&parent).map_err(io)?;
            fs::write(parent.join(number.to_string()), content(&mut seed, SMALL)).map_err(io)?;
        }
        for number in 0..subject.large_files {
            let mut file =
                BufWriter::new(File::create(tree.join(format!("usr/{layer}-{number}"))).map_err(io)?);
            file.write_all(&content(&mut seed, LARGE)).map_err(io)?;
        }
        let archive = directory.join(format!("{layer}.tar"));
        command::run(
            Command::new("tar")
                .args(["--sort=name", "--numeric-owner", "-C"])
                .arg(&tree)
                .arg("-cf")
                .arg(&archive)
                .arg("."),
        )?;
        fs::remove_dir_all(&tree).map_err(io)?;
        let packed = directory.join(format!("{layer}.tar.gz"));
        command::run(Command::new("pigz").args(["--keep", "--no-name", "--force"]).arg(&archive))?;
        diff_ids.push(format!("sha256:{}", digest(&archive)?));
        layers.push(store(&packed, &blobs, "application/vnd.oci.image.layer.v1.tar+gzip")?);
    }
    let document = |value: serde_json::Value, media_type: &str| {
        let path = directory.join("document");
        workspace::write(&path, value.to_string())?;
        store(&path, &blobs, media_type)
    };
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
    let config = json!({ "os": "linux", "architecture": architecture, "rootfs": rootfs });
    let config = document(config, "application/vnd.oci.image.config.v1+json")?;
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers });
    let mut manifest = document(manifest, media_type)?;
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "bench" });
    let layout = directory.join("layout");
    workspace::write(&layout.join("oci-layout"), json!({ "imageLayoutVersion": "1.0.0" }).to_string())?;
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    workspace::write(&layout.join("index.json"), index.to_string())
}

/// Gives a file the name of its digest; returns its descriptor.
fn store(path: &Path, blobs: &Path, media_type: &str) -> Result<serde_json::Value> {
    let io = |error| Failure::io("generating an image", &error);
    let digest = digest(path)?;
    let size = fs::metadata(path).map_err(io)?.len();
    fs::rename(path, blobs.join(&digest)).map_err(io)?;
    Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size }))
}

fn digest(path: &Path) -> Result<String> {
    let said = command::output(Command::new("sha256sum").arg(path))?;
    Ok(said.split_whitespace().next().unwrap_or_default().to_owned())
}

fn measure(subject: &Subject, generated: &Path, cv: &Path, rounds: usize) -> Result<String> {
    let list = |suffix: &str| -> String {
        let paths = (0..subject.layers).map(|layer| generated.join(format!("{layer}{suffix}")));
        paths.map(|path| command::quoted(&path.to_string_lossy()) + " ").collect()
    };
    let layout = generated.join("layout");
    let layers = manifest_layers(&layout)?;
    let blobs: String = layers.iter().map(|path| path.display().to_string() + " ").collect();
    let registry = Registry::start(generated)?;
    let url = |path: &PathBuf| {
        let digest = path.file_name().unwrap_or_default().to_string_lossy();
        format!("http://{}/v2/bench/blobs/sha256:{digest} ", registry.name)
    };
    let urls: String = layers.iter().map(url).collect();
    let image = format!("{}/bench:1", registry.name);
    let kept = generated.join("kept");
    prepare(generated, cv, &layout, &image, &kept)?;
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); CONTENDERS.len()];
    let places = generated.join("unpacked");
    let mut shuffle = Shuffle::new();
    for round in 0..=rounds {
        let mut order: Vec<usize> = (0..CONTENDERS.len()).collect();
        shuffle.apply(&mut order);
        clear(&places)?;
        for index in order {
            let to = places.join(index.to_string());
            let new = format!("{}/new{index}-{round}:1", registry.name);
            rustix::fs::sync();
            let begin = Instant::now();
            let status = Command::new("sh")
                .args(["-ec", CONTENDERS[index].1])
                .env("cv", cv)
                .env("layout", &layout)
                .env("blobs", &blobs)
                .env("archives", list(".tar"))
                .env("urls", &urls)
                .env("image", &image)
                .env("new", &new)
                .env("kept", &kept)
                .env("policy", generated.join("policy.json"))
                .env("containerd", generated.join("containerd.toml"))
                .env("to", &to)
                .stdout(Stdio::null())
                .status()
                .map_err(|error| Failure::io("starting `sh`", &error))?;
            if !status.success() {
                return Err(Failure::new(format!("`{}`: {status}", CONTENDERS[index].0)));
            }
            if round > 0 {
                times[index].push(begin.elapsed().as_secs_f64());
            }
        }
    }
    clear(&places)?;
    Ok(lines(subject, &mut times))
}

/// Puts the image into the registry and into a root of ours, and writes what peers want to be configured by.
fn prepare(generated: &Path, cv: &Path, layout: &Path, image: &str, kept: &Path) -> Result<()> {
    workspace::write(&generated.join("policy.json"), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#)?;
    let cri = "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n";
    workspace::write(&generated.join("containerd.toml"), cri)?;
    let mut copy = Command::new("skopeo");
    copy.args(["copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false"]);
    command::run(copy.arg(format!("oci:{}:bench", layout.display())).arg(format!("docker://{image}")))?;
    command::run(Command::new(cv).arg("--root").arg(kept).args(["pull", "--quiet", image]))
}

/// Empties a directory, and waits: ext4 makes files more slowly for seconds after a large removal.
fn clear(places: &Path) -> Result<()> {
    if places.exists() {
        fs::remove_dir_all(places).map_err(|error| Failure::io("removing what was unpacked", &error))?;
        std::thread::sleep(SETTLING);
    }
    workspace::make_directory(places)
}

fn manifest_layers(layout: &Path) -> Result<Vec<PathBuf>> {
    let read = |path: &Path| -> Result<serde_json::Value> {
        serde_json::from_str(&workspace::read(path)?).map_err(|error| Failure::new(error.to_string()))
    };
    let blob = |descriptor: &serde_json::Value| {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
    };
    let manifest = read(&blob(&read(&layout.join("index.json"))?["manifests"][0]))?;
    Ok(manifest["layers"].as_array().into_iter().flatten().map(blob).collect())
}

fn lines(subject: &Subject, times: &mut [Vec<f64>]) -> String {
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let medians: Vec<f64> = times.iter_mut().map(median).collect();
    let mut text = format!("\n| {} | s | of `{OURS}` |\n| --- | --- | --- |\n", subject.name);
    for ((name, _), median) in CONTENDERS.iter().zip(&medians) {
        let _ = writeln!(text, "| {name} | {median:.2} | {:.2} |", median / medians[0]);
    }
    text
}
