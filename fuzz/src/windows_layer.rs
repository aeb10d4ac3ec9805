//! Layers of Windows images.

use std::fs;
use std::time::SystemTime;

use containerv::images::windows::{View, compose, pack, unpack};

use crate::archive::mended;
use crate::scratch::Scratch;

thread_local! {
    static CAGE: Scratch = Scratch::new("windows-layer");
}

/// A layer that is taken is written again byte for byte, its folder has no names of the layer's, and what is seen of
/// it are plain names. The archive is taken as it is, and once more with its checksums set right.
pub fn target(data: &[u8]) {
    CAGE.with(|cage| {
        take(cage, data);
        let mended = mended(data);
        if mended != data {
            take(cage, &mended);
        }
    });
}

fn take(cage: &Scratch, data: &[u8]) {
    let folder = cage.path().join("layer");
    for base in [true, false] {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("directories are made");
        let Ok(unpacked) = unpack(data, &folder, base) else { continue };
        assert_eq!(unpacked.size, data.len() as u64);
        let mut again = Vec::new();
        assert_eq!(pack(&folder, &mut again).expect("a layer that was taken is written"), unpacked);
        assert!(again == data);
        let names = fs::read_dir(&folder).expect("the folder is listed").flatten();
        let mut names: Vec<_> = names.map(|entry| entry.file_name().into_string().expect("the form's names")).collect();
        names.sort();
        assert_eq!(names, ["content", "entries.gz"]);
        // A layer above others may link to what they have.
        let Ok(view) = View::of(std::slice::from_ref(&folder)) else { continue };
        view.entries().for_each(|entry| plain(&entry.path));
        compose(&view, &[], SystemTime::UNIX_EPOCH, std::io::sink()).expect("an empty layer can be put on any");
    }
    let outside = fs::read_dir(cage.path()).expect("the directory is listed").count();
    assert_eq!(outside, 1);
}

/// The name of an entry, that Windows reads as nothing else.
pub(crate) fn plain(path: &str) {
    let mut names = path.split('/');
    assert!(matches!(names.next(), Some("Files" | "Hives" | "UtilityVM")), "{path:?}");
    for name in names {
        assert!(!name.is_empty() && !name.contains(['\\', ':', '\0']) && !name.ends_with(['.', ' ']), "{path:?}");
    }
}
