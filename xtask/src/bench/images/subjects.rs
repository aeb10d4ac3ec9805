//! The images that are measured, generated once.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::command;
use crate::failure::{Failure, Result};
use crate::workspace;

/// An image that is generated: its name, its layers, and files of each kind in a layer.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) layers: usize,
    small_files: usize,
    large_files: usize,
}

pub(super) const SUBJECTS: &[Subject] = &[
    Subject { name: "10 layers of 50 MB", layers: 10, small_files: 2000, large_files: 5 },
    Subject { name: "1 layer of 1 GB", layers: 1, small_files: 8000, large_files: 110 },
];
const SMALL: usize = 4 << 10;
const LARGE: usize = 8 << 20;

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

pub(super) fn generate(subject: &Subject, directory: &Path) -> Result<()> {
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

/// The layers of the image in a layout.
pub(super) fn manifest_layers(layout: &Path) -> Result<Vec<PathBuf>> {
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
