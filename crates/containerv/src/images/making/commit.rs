//! An image of what a container has changed.

use containerv_spec::image::document::media_type;
use containerv_spec::image::{Descriptor, Digest, ImageConfig, chain_id};
use containerv_spec::request::Root;

use super::{COMPRESSION, MakeOptions, NewLayer, settings};
use crate::images::{Image, Images, own_platform};
use crate::{Container, Error, ErrorKind, Result};

impl Images {
    /// Makes an image of a container: what it has changed becomes a layer on those of its image. The configuration is
    /// that of its image with what the container itself was asked for: command, environment, user, working directory,
    /// labels, published ports, how it is stopped; and then `options`. Of a container that was made of no image, the
    /// whole root becomes one layer.
    ///
    /// A file that a process writes meanwhile may be caught half written: pause the container, or stop it.
    ///
    /// # Errors
    ///
    /// `Unsupported` if its changes are not kept apart; a file that cannot be read, or whose name means something
    /// else in a layer; a change that is malformed.
    pub fn commit(&self, container: &Container, options: &MakeOptions) -> Result<Image> {
        let commit = || {
            let base = match &container.request().root {
                Root::Layers(layers) => match &layers.image {
                    Some(image) => Some(self.base(&image.digest, &image.id)?),
                    None => None,
                },
                _ => None,
            };
            options.name()?;
            let platform = own_platform();
            let (mut config, layers) = base.clone().unwrap_or_else(|| {
                let (architecture, os) = (platform.architecture, platform.os);
                (ImageConfig { architecture, os, ..ImageConfig::default() }, Vec::new())
            });
            let (usual, windows) = (crate::process::default_environment(), config.os == "windows");
            settings::take_over(&mut config.config, container.request(), &usual, windows)?;
            options.apply(&mut config, "cv commit")?;
            let parts: Vec<Digest> = layers.iter().map(|layer| layer.digest.clone()).collect();
            let _kept = self.keep(&[parts, chain_id(&config.rootfs.diff_ids)].concat())?;
            let spool = self.spool()?;
            let system = &self.host.system;
            let (_, encoded) = match base {
                Some(_) => system.pack_changes(container.id(), COMPRESSION, &spool)?,
                None => system.pack_root(container.id(), COMPRESSION, &spool)?,
            };
            self.assemble(config, layers, NewLayer { encoded, spool }, options)
        };
        commit().map_err(|error| error.context(format!("cannot commit container `{}`", container.name())))
    }

    /// The configuration and the layers of the image that a container was made of.
    fn base(&self, manifest: &Digest, config: &Digest) -> Result<(ImageConfig, Vec<Descriptor>)> {
        let read = || {
            let records = self.store.records()?;
            let record = records.into_iter().find(|record| record.manifest.digest == *manifest);
            let descriptor = match record {
                Some(record) => record.manifest,
                // Its names are gone, and its documents may still be there.
                None => Descriptor::new(media_type::OCI_MANIFEST, manifest.clone(), 0),
            };
            Ok((self.store.config(config)?, self.store.manifest(&descriptor)?.layers))
        };
        let (config, layers) = read().map_err(|error: Error| {
            Error::new(ErrorKind::NotFound, "the image that it was made of is no longer there")
                .with_source(error)
                .with_hint("pull that image again, or use `cv export` and `cv import`")
        })?;
        Ok((config, layers.into_iter().map(as_oci).collect()))
    }
}

/// Gives a layer image-spec's media type, as a manifest of image-spec has them.
fn as_oci(layer: Descriptor) -> Descriptor {
    let media_type = match &*layer.media_type {
        media_type::DOCKER_LAYER => media_type::OCI_LAYER,
        media_type::DOCKER_LAYER_GZIP => media_type::OCI_LAYER_GZIP,
        media_type::DOCKER_FOREIGN_LAYER_GZIP => media_type::OCI_FOREIGN_LAYER_GZIP,
        other => other,
    };
    Descriptor { media_type: media_type.to_owned(), ..layer }
}
