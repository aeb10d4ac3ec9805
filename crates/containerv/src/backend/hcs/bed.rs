//! Where tests of whole containers run: by the public API, with the stand-ins.

use std::fs;
use std::path::{Path, PathBuf};

use containerv_spec::OsText;
use containerv_spec::request::{Isolation, Layers, Root};
use containerv_sys::windows::random;

use crate::{Container, Host};

/// Layers and a state root of a test's own.
pub(super) struct Bed {
    pub(super) host: Host,
    pub(super) root: PathBuf,
    layers: PathBuf,
}

impl Bed {
    pub(super) fn new() -> Option<Self> {
        let own = std::env::current_exe().unwrap();
        if !own.with_file_name("computecore.dll").exists() {
            println!("skipped: no stand-ins beside this program");
            return None;
        }
        let name = random::hex::<6>().unwrap();
        let root = std::env::temp_dir().join(format!("containerv-life-{name}"));
        let layers = Path::new(r"C:\layers").join(&name);
        fs::create_dir_all(layers.join(format!(r"base-{name}\Files\Windows\System32"))).unwrap();
        fs::create_dir_all(layers.join(format!(r"base-{name}\UtilityVM\Files"))).unwrap();
        Some(Self { host: Host::open_at(&root).unwrap(), root, layers })
    }

    pub(super) fn image(&self) -> Root {
        let folders = fs::read_dir(&self.layers).unwrap().flatten();
        let folders = folders.map(|folder| OsText::from(folder.path().to_str().unwrap().to_owned()));
        Root::Layers(Layers { folders: folders.collect(), os_version: None, image: None })
    }

    pub(super) fn keeper(&self, isolation: Isolation) -> Container {
        Container::builder(self.image()).isolation(isolation).create(&self.host).unwrap()
    }

    /// A directory of the host beside the containers.
    pub(super) fn scratch(&self) -> PathBuf {
        let path = self.root.join("scratch");
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// Puts a file into the base layer.
    pub(super) fn put_in_layer(&self, path: &str, content: &str) {
        let base = fs::read_dir(&self.layers).unwrap().flatten().next().unwrap().path();
        let path = base.join("Files").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
        let _ = fs::remove_dir_all(&self.layers);
    }
}
