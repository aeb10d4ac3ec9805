//! Who owns what a layer makes, and which extended attributes it has.

use crate::backend::linux::transfer::attributes::Carried;
use crate::backend::linux::transfer::node::{Node, SET_GROUP_ID, SET_USER_ID};
use crate::backend::linux::transfer::owners::Belonging;

/// The attribute with the capabilities of a program.
pub(super) const CAPABILITY: &[u8] = b"security.capability";

/// What the calling process may give away.
///
/// Root gives every entry the ids of the archive. What an ordinary user unpacks is all that user's, who is
/// root in the user's containers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ownership {
    privileged: bool,
    uid: u32,
    gid: u32,
}

impl Ownership {
    pub(super) fn of_caller() -> Self {
        let uid = rustix::process::geteuid();
        Self { privileged: uid.is_root(), uid: uid.as_raw(), gid: rustix::process::getegid().as_raw() }
    }

    /// What an entry of these ids and mode gets. A set-user-ID bit goes where its owner cannot be kept.
    pub(super) fn belonging(&self, uid: u32, gid: u32, mode: u32) -> Belonging {
        if self.privileged {
            return Belonging { uid, gid, mode, same_user: true };
        }
        let kept = if uid == 0 { !0 } else { !SET_USER_ID };
        let kept = if gid == 0 { kept } else { kept & !SET_GROUP_ID };
        Belonging { uid: self.uid, gid: self.gid, mode: mode & kept, same_user: uid == 0 }
    }

    /// Says whether an entry of these ids becomes another one's: the user who unpacks is root in containers.
    pub(super) fn loses(&self, uid: u32, gid: u32) -> bool {
        !self.privileged && (uid, gid) != (0, 0)
    }

    /// What a copy of an entry of a layer gets.
    pub(super) fn of(&self, node: &Node) -> Belonging {
        let (uid, gid) = if self.privileged { (node.uid, node.gid) } else { (self.uid, self.gid) };
        Belonging { uid, gid, mode: node.mode, same_user: true }
    }

    /// Which extended attributes are kept: all but labels of the machine and marks of overlayfs.
    pub(super) fn carried(&self) -> Carried {
        Carried { capabilities: self.privileged, lists: self.privileged, privileged: self.privileged }
    }

    /// The mark of a directory that hides those below it. Overlays of ordinary users, and only theirs, look
    /// for it in the namespace `user`.
    pub(super) fn opaque_mark(&self) -> &'static str {
        if self.privileged { "trusted.overlay.opaque" } else { "user.overlay.opaque" }
    }
}
