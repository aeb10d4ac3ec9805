//! What is wrong with this machine.

use super::system::System;

impl System {
    pub(crate) fn diagnose(&self) -> Vec<crate::Check> {
        Vec::new()
    }
}
