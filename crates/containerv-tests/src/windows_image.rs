//! Images of Windows, made up: the trees, records and marks that real ones have, in a few kilobytes.

use std::io::Write;

use containerv::spec::image::document::media_type;
use containerv::spec::image::{Descriptor, Digest, Manifest};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::registry::Registry;

const BLOCK: usize = 512;

/// A member of a layer's archive.
#[derive(Clone, Debug)]
pub struct Member {
    name: String,
    kind: tar::EntryType,
    link: String,
    records: Vec<(String, String)>,
    content: Vec<u8>,
}

impl Member {
    fn new(kind: tar::EntryType, name: &str, attributes: &str) -> Self {
        let records = vec![
            ("LIBARCHIVE.creationtime".into(), "1600000000.1234567".into()),
            ("MSWINDOWS.fileattr".into(), attributes.into()),
        ];
        Self { name: name.into(), kind, link: String::new(), records, content: Vec::new() }
    }

    /// A directory.
    pub fn directory(name: &str) -> Self {
        Self::new(tar::EntryType::Directory, name, "16")
    }

    /// A file.
    pub fn file(name: &str, content: impl Into<Vec<u8>>) -> Self {
        Self { content: content.into(), ..Self::new(tar::EntryType::Regular, name, "32") }
    }

    /// A further name of a file of this layer or of one below.
    pub fn hard_link(name: &str, target: &str) -> Self {
        Self { link: target.into(), records: Vec::new(), ..Self::new(tar::EntryType::Link, name, "") }
    }

    /// The mark that a file of the layers below is gone.
    pub fn gone(directory: &str, name: &str) -> Self {
        let name = format!("{directory}/.wh.{name}");
        Self { records: Vec::new(), ..Self::new(tar::EntryType::Regular, &name, "") }
    }

    /// Adds a record.
    #[must_use]
    pub fn with(mut self, keyword: &str, value: &str) -> Self {
        self.records.push((keyword.into(), value.into()));
        self
    }
}

/// The archive of a layer, in the form that Go writes.
pub fn layer(members: &[Member]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for member in members {
        let mut records = vec![("mtime".to_owned(), "1600000000.5".to_owned())];
        records.extend(member.records.iter().cloned());
        let mut long_name = member.name.clone();
        if member.name.len() > 100 {
            records.push(("path".into(), member.name.clone()));
            long_name.truncate(100);
        }
        records.sort();
        let text: String = records.iter().map(|(keyword, value)| record(keyword, value)).collect();
        add(&mut bytes, "PaxHeaders.0/x", tar::EntryType::XHeader, "", text.as_bytes());
        add(&mut bytes, &long_name, member.kind, &member.link, &member.content);
    }
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    bytes
}

fn record(keyword: &str, value: &str) -> String {
    let rest = format!(" {keyword}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}")
}

fn add(bytes: &mut Vec<u8>, name: &str, kind: tar::EntryType, link: &str, content: &[u8]) {
    let mut header = tar::Header::new_ustar();
    let fields = header.as_old_mut();
    fields.name[..name.len()].copy_from_slice(name.as_bytes());
    fields.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(if kind == tar::EntryType::XHeader { 0 } else { 1_600_000_000 });
    header.set_size(content.len() as u64);
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
}

/// An image of Windows.
#[derive(Clone, Debug)]
pub struct WindowsImage {
    /// The version of Windows that it is of.
    pub os_version: String,
    /// The archives of its layers, the lowest first.
    pub layers: Vec<Vec<u8>>,
}

impl WindowsImage {
    /// A base: some files that say `mark`, a virtual machine, and `system` as the registry's file.
    pub fn base(os_version: &str, mark: &str, system: &[u8]) -> Self {
        let members = [
            Member::directory("Files").with("MSWINDOWS.rawsd", DESCRIPTOR),
            Member::directory("Files/Base"),
            Member::file("Files/Base/mark.txt", mark),
            Member::file("Files/Base/gone.txt", "to be removed"),
            Member::file("Files/Base/shared.dll", vec![b'd'; 70_000]),
            Member::hard_link("Files/Base/again.dll", "Files/Base/shared.dll"),
            Member::directory("Files/tmp"),
            Member::directory("Files/Windows"),
            Member::directory("Files/Windows/System32"),
            Member::directory("Files/Windows/System32/config"),
            Member::file("Files/Windows/System32/config/SYSTEM", system),
            Member::directory("UtilityVM"),
            Member::directory("UtilityVM/Files"),
            Member::file("UtilityVM/Files/boot.txt", mark),
        ];
        Self { os_version: os_version.into(), layers: vec![layer(&members)] }
    }

    /// The same with one more layer: a file, a tombstone, and a hard link to the base's file.
    #[must_use]
    pub fn with_app(mut self) -> Self {
        self.layers.push(layer(&[
            Member::directory("Files"),
            Member::directory("Files/app"),
            Member::file("Files/app/app.txt", "the app"),
            Member::directory("Files/base"),
            Member::gone("Files/base", "gone.txt"),
            Member::hard_link("Files/app/linked.dll", "Files/Base/shared.dll"),
            Member::directory("Hives"),
        ]));
        self
    }

    /// Puts it into a registry, its layers compressed.
    pub fn publish(&self, registry: &Registry, repository: &str, tag: &str) -> Descriptor {
        let mut layers = Vec::new();
        for layer in &self.layers {
            let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
            compressed.write_all(layer).unwrap();
            let bytes = compressed.finish().unwrap();
            registry.put_blob(repository, &bytes);
            layers.push(Descriptor::of(media_type::OCI_LAYER_GZIP, &bytes));
        }
        let diff_ids: Vec<String> = self.layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
        let config = json!({
            "architecture": "amd64",
            "os": "windows",
            "os.version": self.os_version,
            "config": {"Cmd": ["cmd.exe"], "Env": [format!("BASE={}", self.os_version)]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": self.layers.iter().map(|_| json!({"created_by": "made up"})).collect::<Vec<_>>(),
        });
        let config = serde_json::to_vec(&config).unwrap();
        registry.put_blob(repository, &config);
        let manifest = Manifest::new(Descriptor::of(media_type::OCI_CONFIG, &config), layers);
        let bytes = serde_json::to_vec(&manifest).unwrap();
        registry.put_manifest(repository, Some(tag), media_type::OCI_MANIFEST, &bytes)
    }
}

/// A security descriptor: it is the administrators', and everybody may do everything.
const DESCRIPTOR: &str = "AQAEgBQAAAAkAAAAAAAAADQAAAABAgAAAAAABSAAAAAgAgAAAQIAAAAAAAUgAAAAIAIAAAIAHAABAAAAAAAUAP8BHwABAQAAAAAAAQAAAAA=";
