//! Instructions of Dockerfiles.

use containerv::fuzzing::image_files::change;
use containerv_spec::image::RunConfig;

use crate::invariant;

/// What is taken can be taken twice, and what is written of it is read back.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut config = RunConfig::default();
    match change(&mut config, text) {
        Err(error) => invariant::error(&error),
        Ok(()) => {
            change(&mut config, text).expect("it is taken again");
            let written = serde_json::to_vec(&config).expect("it is written");
            let read: RunConfig = serde_json::from_slice(&written).expect("it is read back");
            assert_eq!(read, config);
        }
    }
}
