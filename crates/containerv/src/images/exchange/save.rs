//! Images to files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use containerv_spec::image::document::media_type;
use containerv_spec::image::{Descriptor, Digest, Index};
use serde_json::{Value, json};

use super::docker::Listed;
use super::layout::blob_name;
use super::{DOCKER_MANIFEST, IMAGE_NAME, INDEX, MARKER, REF_NAME};
use crate::archive::{Entry, Kind, Metadata, Output};
use crate::images::{Image, Images};
use crate::{Error, ErrorKind, Result};

/// What images are written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaveFormat {
    /// An image layout with Docker's list of images: what `docker load`, `podman load` and others read.
    #[default]
    Docker,
    /// An image layout alone.
    Oci,
}

/// A file of a layout: bytes, or a blob of the store.
enum Piece {
    Bytes(Vec<u8>),
    Blob(std::path::PathBuf),
}

type Pieces = BTreeMap<String, Piece>;

impl Images {
    /// Writes images as one tar archive. The same images become the same bytes.
    ///
    /// # Errors
    ///
    /// As [`Images::get`]; `NotFound` for an image whose blobs are not whole; what the stream said.
    pub fn save(&self, names: &[&str], format: SaveFormat, archive: impl Write) -> Result<()> {
        let save = || {
            let images = self.wanted(names)?;
            write_archive(self.pieces(&images, format)?, archive)
        };
        save().map_err(|error| error.context("cannot save images"))
    }

    /// Writes images as an image layout in a directory, which is made, or is empty.
    ///
    /// # Errors
    ///
    /// As [`Images::save`]; `AlreadyExists` if there is something in the directory.
    pub fn save_directory(&self, names: &[&str], format: SaveFormat, directory: &Path) -> Result<()> {
        let save = || {
            let images = self.wanted(names)?;
            write_directory(self.pieces(&images, format)?, directory)
        };
        save().map_err(|error| error.context(format!("cannot save images in `{}`", directory.display())))
    }

    /// The images, each once, with the names that they were asked for by.
    fn wanted(&self, names: &[&str]) -> Result<Vec<(Image, Vec<String>)>> {
        let mut images: Vec<(Image, Vec<String>)> = Vec::new();
        for name in names {
            let image = self.get(name)?;
            let reference = image.reference();
            // An ID names no reference.
            let named = reference.tag().is_some()
                && super::super::parse_reference(name).is_ok_and(|asked| asked == *reference);
            let name = named.then(|| reference.to_string());
            let same = |(other, _): &&mut (Image, _)| {
                other.manifest_descriptor().digest == image.manifest_descriptor().digest
            };
            match images.iter_mut().find(same) {
                Some((_, names)) => names.extend(name),
                None => images.push((image, name.into_iter().collect())),
            }
        }
        Ok(images)
    }

    fn pieces(&self, images: &[(Image, Vec<String>)], format: SaveFormat) -> Result<Pieces> {
        let mut pieces = Pieces::new();
        let (mut manifests, mut listed) = (Vec::new(), Vec::new());
        for (image, names) in images {
            let descriptor = image.manifest_descriptor();
            let config = &image.manifest().config;
            let layers = &image.manifest().layers;
            for digest in
                [&descriptor.digest, &config.digest].into_iter().chain(layers.iter().map(|it| &it.digest))
            {
                pieces.insert(blob_name(digest), Piece::Blob(self.blob_file(image, digest)?));
            }
            manifests.extend(described(image, names));
            listed.push(Listed {
                config: blob_name(&config.digest),
                repo_tags: Some(names.iter().map(|name| familiar(name)).collect()),
                layers: layers.iter().map(|layer| blob_name(&layer.digest)).collect(),
            });
        }
        pieces.insert(MARKER.into(), Piece::Bytes(bytes(&json!({ "imageLayoutVersion": "1.0.0" }))?));
        pieces.insert(INDEX.into(), Piece::Bytes(bytes(&Index::new(manifests))?));
        if format == SaveFormat::Docker {
            pieces.insert(DOCKER_MANIFEST.into(), Piece::Bytes(bytes(&listed)?));
        }
        Ok(pieces)
    }

    fn blob_file(&self, image: &Image, digest: &Digest) -> Result<std::path::PathBuf> {
        self.store.blob(digest).ok_or_else(|| {
            let name = image.reference().familiar();
            Error::new(ErrorKind::NotFound, format!("`{name}` is not whole: {digest} is missing"))
                .with_hint(format!("`cv pull {name}` brings what is missing"))
        })
    }
}

/// Docker's short form of a name.
fn familiar(name: &str) -> String {
    name.parse::<containerv_spec::image::Reference>().map_or_else(|_| name.to_owned(), |it| it.familiar())
}

/// The image's entries of the index: one for each name.
fn described(image: &Image, names: &[String]) -> Vec<Descriptor> {
    let mut plain = image.manifest_descriptor().clone();
    plain.annotations.clear();
    if !media_type::is_manifest(&plain.media_type) {
        plain.media_type = media_type::OCI_MANIFEST.to_owned();
    }
    plain.platform = Some(image.platform());
    if names.is_empty() {
        return vec![plain];
    }
    let named = |name: &String| {
        let mut descriptor = plain.clone();
        let tag = name.rsplit(':').next().unwrap_or_default();
        descriptor.annotations.insert(IMAGE_NAME.into(), name.clone());
        descriptor.annotations.insert(REF_NAME.into(), tag.to_owned());
        descriptor
    };
    names.iter().map(named).collect()
}

fn bytes(document: &impl serde::Serialize) -> Result<Vec<u8>> {
    let value: Value = serde_json::to_value(document).map_err(wrong)?;
    serde_json::to_vec(&value).map_err(wrong)
}

fn wrong(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Other, "write a document of the image").with_source(error)
}

fn write_archive(pieces: Pieces, archive: impl Write) -> Result<()> {
    let mut output = Output::new(io::BufWriter::with_capacity(128 << 10, archive));
    let mut made = Vec::new();
    for (name, piece) in pieces {
        for (end, _) in name.match_indices('/') {
            if !made.iter().any(|directory| *directory == name[..end]) {
                made.push(name[..end].to_owned());
                header(&mut output, &name[..end], Kind::Directory, 0)?;
            }
        }
        match piece {
            Piece::Bytes(bytes) => {
                let size = bytes.len() as u64;
                header(&mut output, &name, Kind::File, size)?;
                output.content(&bytes).and_then(|()| output.pad(size)).map_err(wrote)?;
            }
            Piece::Blob(path) => {
                let failed = |error| Error::io(error, format!("cannot read `{}`", path.display()));
                let file = File::open(&path).map_err(failed)?;
                let size = file.metadata().map_err(failed)?.len();
                header(&mut output, &name, Kind::File, size)?;
                copy(file.take(size), size, &mut output).map_err(|error| match error {
                    Ok(read) => failed(read),
                    Err(written) => wrote(written),
                })?;
            }
        }
    }
    output.finish().map_err(wrote)
}

/// Copies the content of a member. The error is one of reading (`Ok`) or of writing.
fn copy<W: Write>(
    mut from: impl Read,
    size: u64,
    output: &mut Output<W>,
) -> std::result::Result<(), std::result::Result<io::Error, io::Error>> {
    let mut buffer = vec![0; 128 << 10];
    let mut left = size;
    while left > 0 {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Err(Ok(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Ok(error)),
        };
        output.content(&buffer[..count]).map_err(Err)?;
        left -= count as u64;
    }
    output.pad(size).map_err(Err)
}

fn header<W: Write>(output: &mut Output<W>, name: &str, kind: Kind, size: u64) -> Result<()> {
    let mode = if kind == Kind::Directory { 0o755 } else { 0o644 };
    let metadata =
        Metadata { mode, uid: 0, gid: 0, size, device: (0, 0), accessed: (0, 0), modified: (0, 0) };
    let (name, metadata) = (name.as_bytes(), &metadata);
    let entry = Entry { name, link: b"", kind, metadata, attributes: &[], foreign: &[], sparse: None };
    output.header(&entry).map_err(wrote)
}

fn wrote(error: io::Error) -> Error {
    Error::io(error, "write the archive")
}

fn write_directory(pieces: Pieces, directory: &Path) -> Result<()> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| Error::io(error, format!("cannot write `{}`", path.display()))
    };
    fs::create_dir_all(directory).map_err(failed(directory))?;
    if fs::read_dir(directory).map_err(failed(directory))?.next().is_some() {
        let message = format!("`{}` is not empty", directory.display());
        return Err(Error::new(ErrorKind::AlreadyExists, message).with_hint("choose another directory"));
    }
    for (name, piece) in pieces {
        let path = directory.join(&name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        match piece {
            Piece::Bytes(bytes) => fs::write(&path, bytes).map_err(failed(&path))?,
            Piece::Blob(blob) => fs::copy(&blob, &path).map(drop).map_err(failed(&path))?,
        }
    }
    Ok(())
}
