//! `containerv_join`.

use containerv::{Error, ErrorKind};
use containerv_spec::OsText;

use crate::border::{Failure, Result};
use crate::handles::registry;

/// Makes the calling process a member of the container with this id.
pub(crate) fn join(id: &OsText) -> Result<()> {
    let unknown = || Error::new(ErrorKind::NotFound, format!("no container `{id}`"));
    // Names are not ids: a container's name must not stand in for another's id here.
    let digits = |id: &&str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = id.to_str().filter(digits).ok_or_else(unknown)?;
    let container = registry().host()?.container(id)?;
    if !container.id().as_str().starts_with(id) {
        return Err(unknown().into());
    }
    container.enter().map_err(|error| match error.kind() {
        ErrorKind::InvalidState => Failure::new(libc::ESRCH, "the container has ended").caused(error),
        _ => error.into(),
    })
}
