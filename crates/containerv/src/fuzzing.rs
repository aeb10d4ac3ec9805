//! Private parsers, for the fuzz targets in `fuzz/`. Not part of the interface: it changes with them.

pub use crate::backend::linux::fuzzing::*;

/// Those of copies for Windows.
pub mod windows_files {
    pub use crate::backend::hcs::transfer::fuzzing::*;
}

/// Owners and access lists of Windows in text form.
pub mod windows_access {
    use crate::backend::hcs::doctor::access::{self, Verdict};

    /// What an access list comes to.
    #[derive(Debug)]
    pub enum Judgement {
        /// Nobody but those who are trusted may write.
        Private,
        /// These may: the owner alone, or who the list names.
        Strangers(Vec<String>),
        /// Everybody may.
        Open,
        /// The text is none.
        Unreadable,
    }

    /// Judges a list as the user with this identifier.
    pub fn judge(text: &str, user: &str) -> Judgement {
        match access::judge(text, user) {
            Verdict::Private => Judgement::Private,
            Verdict::Owner(owner) => Judgement::Strangers(vec![owner]),
            Verdict::Writable(strangers) => Judgement::Strangers(strangers),
            Verdict::Open => Judgement::Open,
            Verdict::Unreadable => Judgement::Unreadable,
        }
    }
}

/// Files of the registry of Windows.
pub mod windows_hive {
    pub use crate::images::windows::count_hive;
}

/// Layers of Windows as Windows exports them.
pub mod windows_exported {
    use std::io::Write;
    use std::path::Path;

    use crate::{CopySummary, Result, images};

    /// Writes the archive of the layer in a folder in transport format.
    pub fn write(folder: &Path, to: impl Write) -> Result<CopySummary> {
        images::windows::write_exported(folder, to)
    }
}

/// What registries and their files say.
pub mod registries {
    pub use crate::images::registry::fuzzing::*;
}

/// Images as files.
pub mod image_files {
    use std::fs::File;
    use std::sync::Arc;

    use containerv_spec::image::RunConfig;

    use crate::Result;
    use crate::images;

    /// Applies an instruction of Dockerfiles to a configuration.
    pub fn change(config: &mut RunConfig, instruction: &str) -> Result<()> {
        images::change(config, instruction)
    }

    /// Lists the images of an archive, and returns how many names they have. Nothing of them is stored.
    pub fn list(archive: Arc<File>) -> Result<usize> {
        images::list_archive(archive)
    }
}
