//! Archives of images.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use containerv::fuzzing::image_files::list;

use crate::archive::mended;
use crate::invariant;
use crate::scratch::Scratch;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new("image-archive"));
}

/// Any bytes are images or refused. They are taken as they are, and once more with their checksums set right.
pub fn target(data: &[u8]) {
    let mended = mended(data);
    for bytes in [data, &mended] {
        let path = SCRATCH.with_borrow(|scratch| scratch.path().join("archive"));
        let file = File::options().create(true).truncate(true).read(true).write(true).open(path);
        let file = file.expect("a file is made");
        file.write_all_at(bytes, 0).expect("a file is written");
        if let Err(error) = list(Arc::new(file)) {
            invariant::error(&error);
        }
    }
}
