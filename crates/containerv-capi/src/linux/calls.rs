//! The options of `containerv_spawn` as a process.

use containerv_spec::OsText;
use containerv_spec::request::Process;

use super::arguments;
use crate::border::Result;
use crate::container::SpawnTexts;

/// Returns the process of a call.
pub(crate) fn process(texts: SpawnTexts) -> Result<Process> {
    let split = texts.arguments.map_or_else(Vec::new, |text| arguments::split(text.as_bytes()));
    let args = std::iter::once(texts.path.clone()).chain(split.into_iter().map(OsText::from_bytes)).collect();
    Ok(Process {
        program: Some(texts.path),
        search_path: false,
        env: texts.environment,
        set_home: false,
        // A group is named in any case, so that none is taken from the container's own files.
        user: texts.user.map_or_else(|| "0:0".to_owned(), |(uid, gid)| format!("{uid}:{gid}")),
        ..Process::new(args)
    })
}
