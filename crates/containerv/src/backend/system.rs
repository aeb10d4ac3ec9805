//! What the rest of the library uses of this system's own backend.

pub(crate) use super::linux::{
    Attached as Attachment, AttachedReader, AttachedWriter, Events, Logs, Process, System, die_at,
};
