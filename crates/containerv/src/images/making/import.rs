//! An image of one layer, of the archive of a root.

use std::io::{self, Read, Write};

use containerv_spec::image::ImageConfig;

use super::{COMPRESSION, MakeOptions, NewLayer};
use crate::images::layers::Limits;
use crate::images::layers::decode::{Plain, decode};
use crate::images::layers::encode::{Feed, encode};
use crate::images::{Image, Images, own_platform};
use crate::{Error, Result};

impl Images {
    /// Makes an image of the archive of a root: a tar archive, plain or compressed with gzip or zstd.
    ///
    /// # Errors
    ///
    /// An archive that cannot be unpacked, with the member's name; a change that is malformed.
    pub fn import(&self, archive: impl Read + Send, options: &MakeOptions) -> Result<Image> {
        let platform = options.platform.clone().unwrap_or_else(own_platform);
        let mut config = ImageConfig {
            architecture: platform.architecture,
            variant: platform.variant,
            os: platform.os,
            os_version: platform.os_version,
            os_features: platform.os_features,
            ..ImageConfig::default()
        };
        options.apply(&mut config, "cv import")?;
        options.name()?;
        let import = || {
            let spool = self.spool()?;
            let copy = |plain: &mut Plain| {
                let (_, encoded) = encode(&spool, COMPRESSION, |feed: &mut Feed| copy_all(plain, feed))?;
                Ok(encoded)
            };
            let (encoded, _) = decode(archive, None, Limits::default().size, copy)?;
            self.assemble(config, Vec::new(), NewLayer { encoded, spool }, options)
        };
        import().map_err(|error: Error| error.context("cannot import the archive"))
    }
}

fn copy_all(from: &mut impl Read, to: &mut impl Write) -> Result<()> {
    io::copy(from, to).map(drop).map_err(|error| Error::io(error, "copy the archive"))
}
