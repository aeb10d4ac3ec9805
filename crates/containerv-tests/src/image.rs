//! Images that tests make.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use containerv::spec::image::{Descriptor, Digest, Index, Manifest};
#[cfg(target_os = "linux")]
use containerv::{Container, ExitStatus, Stdio, StdioSet};
use serde_json::{Value, json};

#[cfg(target_os = "linux")]
use crate::Bed;
use crate::registry::Registry;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An image that is being made.
#[derive(Clone, Debug)]
pub struct Image {
    blobs: Vec<Vec<u8>>,
    diff_ids: Vec<Digest>,
    config: Value,
    platform: Value,
}

impl Default for Image {
    /// One for this machine, without layers and without a word of configuration.
    fn default() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let platform = json!({ "os": std::env::consts::OS, "architecture": architecture });
        Self { blobs: Vec::new(), diff_ids: Vec::new(), config: json!({}), platform }
    }
}

impl Image {
    /// Adds a layer of files; a name that ends with `/` is a directory.
    #[must_use]
    pub fn layer(self, files: &[(&str, &[u8])]) -> Self {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_ustar();
            let directory = name.ends_with('/');
            header.set_entry_type(if directory {
                tar::EntryType::Directory
            } else {
                tar::EntryType::Regular
            });
            header.set_mode(if directory { 0o755 } else { 0o644 });
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, name, *content).unwrap();
        }
        self.archive(&archive.into_inner().unwrap())
    }

    /// Adds a layer that is what a directory has.
    #[must_use]
    pub fn tree(self, directory: &Path) -> Self {
        let mut archive = tar::Builder::new(Vec::new());
        archive.follow_symlinks(false);
        archive.append_dir_all(".", directory).unwrap();
        self.archive(&archive.into_inner().unwrap())
    }

    /// Adds a layer.
    #[must_use]
    pub fn archive(mut self, archive: &[u8]) -> Self {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(archive).unwrap();
        self.blobs.push(packed.finish().unwrap());
        self.diff_ids.push(Digest::of(archive));
        self
    }

    /// Sets the configuration of its containers.
    #[must_use]
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// Sets the members of its configuration that say what it is for.
    #[must_use]
    pub fn platform(mut self, platform: Value) -> Self {
        self.platform = platform;
        self
    }

    /// The blobs of its layers.
    pub fn blobs(&self) -> &[Vec<u8>] {
        &self.blobs
    }

    /// Puts it into a registry; returns what describes its manifest.
    pub fn put(&self, registry: &Registry, repository: &str, tag: Option<&str>) -> Descriptor {
        let (config, manifest) = self.documents();
        for blob in self.blobs.iter().chain([&config]) {
            registry.put_blob(repository, blob);
        }
        registry.put_manifest(repository, tag, MANIFEST, &manifest)
    }

    /// Writes it as an image layout in a directory, under a tag.
    pub fn put_layout(&self, directory: &Path, tag: &str) {
        let (config, manifest) = self.documents();
        let blobs = directory.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        for blob in self.blobs.iter().chain([&config, &manifest]) {
            std::fs::write(blobs.join(Digest::of(blob).hex()), blob).unwrap();
        }
        let mut descriptor = Descriptor::of(MANIFEST, &manifest);
        descriptor.annotations.insert("org.opencontainers.image.ref.name".into(), tag.into());
        let index = serde_json::to_vec(&Index::new(vec![descriptor])).unwrap();
        std::fs::write(directory.join("index.json"), index).unwrap();
        std::fs::write(directory.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    }

    /// The bytes of its configuration and of its manifest.
    fn documents(&self) -> (Vec<u8>, Vec<u8>) {
        let layers = self.blobs.iter().map(|blob| Descriptor::of(LAYER, blob)).collect();
        let mut config = json!({
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": self.diff_ids },
            "history": self.diff_ids.iter().map(|_| json!({ "created_by": "a test" })).collect::<Vec<_>>(),
        });
        for (name, value) in self.platform.as_object().unwrap() {
            config[name] = value.clone();
        }
        let config = serde_json::to_vec(&config).unwrap();
        let mut manifest = Manifest::new(Descriptor::of(CONFIG, &config), layers);
        manifest.media_type = Some(MANIFEST.to_owned());
        (config, serde_json::to_vec(&manifest).unwrap())
    }
}

/// Runs a container of an image to its end, with these words in the place of its own if there are any. Returns how
/// it ended and what it said, and the container.
#[cfg(target_os = "linux")]
pub fn run(bed: &Bed, image: &containerv::Image, words: &[&str]) -> (ExitStatus, String, Container) {
    let file = bed.path("said");
    let stdout = std::fs::File::create(&file).unwrap();
    let stdio = StdioSet { stdout: Stdio::Fd(stdout.into()), ..StdioSet::null() };
    let builder = Container::builder_of(image).unwrap().command(words);
    let (container, mut child) = builder.run(bed.host(), stdio).unwrap();
    let status = child.wait().unwrap();
    (status, std::fs::read_to_string(file).unwrap(), container)
}

/// Bytes that no compression makes fewer, the same for each seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// What is wrong with a store of images in a data root: a blob that is not what its name says, a layer that is not
/// whole. Empty if it is as it should be, whoever was killed.
pub fn damage(data: &Path) -> String {
    let mut found = String::new();
    let images = data.join("images");
    for (name, path) in entries(&images.join("blobs/sha256")) {
        let bytes = std::fs::read(&path).unwrap();
        if !name.starts_with('.') && Digest::of(&bytes).hex() != name {
            _ = writeln!(found, "blob {name} has {} bytes of another digest", bytes.len());
        }
    }
    for (name, path) in entries(&images.join("layers")) {
        if !path.join("layer.json").is_file() || !path.join("fs").is_dir() {
            _ = writeln!(found, "layer {name} is not whole");
        }
    }
    found
}

/// Names and paths in a directory, which may be missing.
pub fn entries(directory: &Path) -> Vec<(String, std::path::PathBuf)> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let entry = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), entry.path())
    };
    entries.map(entry).collect()
}
