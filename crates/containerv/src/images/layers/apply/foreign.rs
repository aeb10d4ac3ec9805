//! Owners that an ordinary user gives to files when all are made, in a user namespace that has them.
//!
//! Until then everything belongs to the user, who may write everywhere.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};

use containerv_spec::plan::IdMaps;
use containerv_sys::linux::stage::wire::owned;
use rustix::fs::{Mode, OFlags, Timestamps};

use super::ownership::CAPABILITY;
use crate::archive::Attribute;
use crate::backend::linux::System;
use crate::backend::linux::transfer::owners::{inside, outside};
use crate::{Error, Result};

/// Who will own what, in the order that it was made.
pub(super) struct Foreign {
    maps: IdMaps,
    records: BufWriter<File>,
    /// A name was used again, so that an earlier record may be that of what is gone.
    reused: bool,
}

/// What one file is to have, as ids inside.
pub(super) struct Owned<'a> {
    pub(super) path: &'a [u8],
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mode: u32,
    pub(super) is_link: bool,
    pub(super) times: &'a Timestamps,
    pub(super) attributes: &'a [Attribute],
}

impl Foreign {
    /// Begins with nothing; the records are in a file without a name beside the layer's files.
    pub(super) fn new(maps: IdMaps, target: BorrowedFd<'_>) -> io::Result<Self> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::openat(target, c".", flags, Mode::RUSR | Mode::WUSR)?;
        Ok(Self { maps, records: BufWriter::new(file.into()), reused: false })
    }

    /// From here on every owner is noted.
    pub(super) fn name_is_reused(&mut self) {
        self.reused = true;
    }

    /// The ids inside of a file of a layer below.
    pub(super) fn inside(&self, uid: u32, gid: u32) -> (u32, u32) {
        let id = |ranges: &_, id| inside(ranges, id).unwrap_or(0);
        (id(&self.maps.uids, uid), id(&self.maps.gids, gid))
    }

    /// Notes who will own a file; false if the caller has no such id.
    pub(super) fn note(&mut self, owned: &Owned<'_>) -> io::Result<bool> {
        let capability = owned.attributes.iter().find(|(name, _)| name == CAPABILITY);
        let capability = capability.map_or(&[][..], |(_, value)| value);
        if !self.reused && owned.uid == 0 && owned.gid == 0 && capability.is_empty() {
            return Ok(true);
        }
        if outside(&self.maps.uids, owned.uid).is_none() || outside(&self.maps.gids, owned.gid).is_none() {
            return Ok(false);
        }
        let filled = |length: usize| length.next_multiple_of(8);
        let (path, value) = (filled(owned.path.len() + 1), filled(capability.len()));
        let length = owned::WORDS * 8 + path + value;
        if length > owned::MOST {
            return Ok(false);
        }
        let time = |time: &rustix::fs::Timespec| [time.tv_sec.cast_unsigned(), time.tv_nsec.cast_unsigned()];
        let [accessed, modified] = [&owned.times.last_access, &owned.times.last_modification].map(time);
        let words = [
            length as u64,
            u64::from(owned.uid),
            u64::from(owned.gid),
            u64::from(owned.mode) | if owned.is_link { owned::LINK } else { 0 },
            accessed[0],
            accessed[1],
            modified[0],
            modified[1],
            owned.path.len() as u64,
            capability.len() as u64,
        ];
        let mut record: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        record.extend_from_slice(owned.path);
        record.resize(owned::WORDS * 8 + path, 0);
        record.extend_from_slice(capability);
        record.resize(length, 0);
        self.records.write_all(&record).map(|()| true)
    }

    /// Gives everything its owner.
    pub(super) fn give(self, system: &System, target: BorrowedFd<'_>) -> Result<()> {
        let failed = |error| {
            Error::io(error, "give the files of the layer their owners in a user namespace")
                .with_hint("`cv doctor` checks the subordinate ids of the calling user")
        };
        let records = self.records.into_inner().map_err(|error| failed(error.into_error()))?;
        system.give_owners(&self.maps, records.as_fd(), target).map_err(failed)
    }
}
