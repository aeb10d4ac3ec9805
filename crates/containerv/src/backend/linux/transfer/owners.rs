//! Who owns what a copy makes.

use containerv_spec::request::IdRange;

use super::node::{Node, SET_GROUP_ID, SET_USER_ID};

/// The rule that gives a copy its owner.
#[derive(Clone, Debug)]
pub(crate) enum Owners {
    /// Everything belongs to one user and group, as ids of the host.
    Fixed { uid: u32, gid: u32 },
    /// Ids of the host become the same ids inside the container.
    IntoContainer { uids: Vec<IdRange>, gids: Vec<IdRange> },
    /// Ids inside the container become the same ids on the host.
    OutOfContainer { uids: Vec<IdRange>, gids: Vec<IdRange> },
}

/// The owner and mode of one copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Belonging {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
    /// The owner is the source's, so that what gives the owner's power to others may stay.
    pub(crate) same_user: bool,
}

/// An id that has no counterpart on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmapped {
    User(u32),
    Group(u32),
}

impl Owners {
    /// Returns owner and mode of the copy of `node`.
    ///
    /// A set-user-ID bit gives away the power of the file's owner, so it stays only where the
    /// owner stays: a container that maps its root to uid 100000 must not be able to make a
    /// program that is set-user-ID root on the host.
    pub(crate) fn of(&self, node: &Node) -> Result<Belonging, Unmapped> {
        let (uid, gid) = match self {
            Self::Fixed { uid, gid } => (*uid, *gid),
            Self::IntoContainer { uids, gids } => (
                outside(uids, node.uid).ok_or(Unmapped::User(node.uid))?,
                outside(gids, node.gid).ok_or(Unmapped::Group(node.gid))?,
            ),
            Self::OutOfContainer { uids, gids } => (
                inside(uids, node.uid).ok_or(Unmapped::User(node.uid))?,
                inside(gids, node.gid).ok_or(Unmapped::Group(node.gid))?,
            ),
        };
        let into = matches!(self, Self::IntoContainer { .. });
        let same_user = into || uid == node.uid;
        let same_group = into || gid == node.gid;
        let mut mode = node.mode;
        if !node.is_directory() {
            mode &= if same_user { !0 } else { !SET_USER_ID };
            mode &= if same_group { !0 } else { !SET_GROUP_ID };
        }
        Ok(Belonging { uid, gid, mode, same_user })
    }
}

/// Translates an id inside the container to the host's; no ranges means that ids are the same.
pub(crate) fn outside(ranges: &[IdRange], id: u32) -> Option<u32> {
    translate(ranges, id, |range| (range.inside, range.outside))
}

/// Translates an id of the host to that inside the container.
pub(crate) fn inside(ranges: &[IdRange], id: u32) -> Option<u32> {
    translate(ranges, id, |range| (range.outside, range.inside))
}

fn translate(ranges: &[IdRange], id: u32, ends: impl Fn(&IdRange) -> (u32, u32)) -> Option<u32> {
    if ranges.is_empty() {
        return Some(id);
    }
    ranges.iter().find_map(|range| {
        let (from, to) = ends(range);
        let offset = id.checked_sub(from).filter(|&offset| offset < range.count)?;
        to.checked_add(offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(uid: u32, mode: u32) -> Node {
        let mut node = Node::of(std::fs::File::open("/proc/self/exe").unwrap()).unwrap();
        (node.uid, node.gid, node.mode) = (uid, uid, mode);
        node
    }

    fn ranges() -> Vec<IdRange> {
        vec![
            IdRange { inside: 0, outside: 1000, count: 1 },
            IdRange { inside: 1, outside: 100_000, count: 65_535 },
        ]
    }

    #[test]
    fn ids_are_translated_both_ways_and_those_outside_are_not() {
        for (within, without) in [(0, 1000), (1, 100_000), (65_535, 165_534)] {
            assert_eq!(outside(&ranges(), within), Some(without));
            assert_eq!(inside(&ranges(), without), Some(within));
        }
        assert_eq!(outside(&ranges(), 65_536), None);
        assert_eq!(inside(&ranges(), 0), None);
        assert_eq!(inside(&[], 7), Some(7));
    }

    #[test]
    fn a_set_user_id_bit_stays_only_with_its_owner() {
        let caller = Owners::Fixed { uid: 0, gid: 0 };
        assert_eq!(caller.of(&file(0, 0o6755)).unwrap().mode, 0o6755);
        assert_eq!(caller.of(&file(1000, 0o6755)).unwrap().mode, 0o755);
        let out = Owners::OutOfContainer { uids: ranges(), gids: ranges() };
        let owner = out.of(&file(1000, 0o4755)).unwrap();
        assert_eq!((owner.uid, owner.mode, owner.same_user), (0, 0o755, false));
        assert_eq!(out.of(&file(5, 0o644)), Err(Unmapped::User(5)));
        let into = Owners::IntoContainer { uids: ranges(), gids: ranges() };
        let owner = into.of(&file(0, 0o4755)).unwrap();
        assert_eq!((owner.uid, owner.mode), (1000, 0o4755));
    }
}
