//! What this machine can do.

use super::system::System;

impl System {
    pub(crate) fn features(&self) -> Vec<crate::Feature> {
        crate::features::document(|_| Err("it needs a Linux host, and this is Windows".to_owned()))
    }
}
