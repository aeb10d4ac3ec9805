//! Images of which everything is on this machine already, but not yet in the store.

mod content;
mod spool;

use std::collections::HashMap;
use std::io::Read;

use containerv_spec::image::{Descriptor, Digest, Reference};

pub(super) use content::Content;
pub(super) use spool::Spool;

use super::pull::Source;
use crate::{Error, ErrorKind, Result};

/// One image, and where its parts are.
pub(super) struct Local<'a> {
    /// What it is begun with: an index or a manifest.
    target: Descriptor,
    contents: HashMap<Digest, Content>,
    /// Finds what `contents` has not.
    find: Box<Find<'a>>,
}

/// Says where a part is.
type Find<'a> = dyn Fn(&Digest) -> Option<Content> + Sync + 'a;

impl<'a> Local<'a> {
    pub(super) fn new(target: Descriptor, find: impl Fn(&Digest) -> Option<Content> + Sync + 'a) -> Self {
        Self { target, contents: HashMap::new(), find: Box::new(find) }
    }

    /// Adds a part.
    pub(super) fn add(&mut self, digest: Digest, content: Content) {
        self.contents.insert(digest, content);
    }

    fn content(&self, digest: &Digest) -> Result<Content> {
        let content = self.contents.get(digest).cloned().or_else(|| (self.find)(digest));
        content.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the image has no content {digest}"))
                .with_hint("it was written incompletely; write it again with the program that has made it")
        })
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let bytes = self.content(&descriptor.digest)?.document()?;
        if descriptor.digest.matches(&bytes) {
            return Ok(bytes);
        }
        let message = format!("the document {} of the image has another digest", descriptor.digest);
        Err(Error::new(ErrorKind::Corrupt, message).with_hint("it is damaged; write it again"))
    }
}

impl Source for Local<'_> {
    fn resolve(&self, _: &Reference) -> Result<(Descriptor, Vec<u8>)> {
        Ok((self.target.clone(), self.document(&self.target)?))
    }

    fn manifest(&self, _: &Reference, descriptor: &Descriptor) -> Result<Vec<u8>> {
        self.document(descriptor)
    }

    fn blob(&self, _: &Reference, descriptor: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self.content(&descriptor.digest)?.open(offset)?))
    }
}
