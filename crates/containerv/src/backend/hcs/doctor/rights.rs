//! What the caller may do.

use containerv_spec::hcs::machine::Rights;

use super::{Seen, failed, warning};
use crate::doctor::Check;

pub(super) fn rights(rights: Rights) -> Check {
    const NAME: &str = "rights";
    match rights {
        Rights::Elevated => Check::ok(NAME, "administrator, elevated"),
        Rights::HypervAdministrator => warning(
            NAME,
            "member of `Hyper-V Administrators`, not elevated",
            "process isolation and layers are for elevated callers; the state root may be, too",
            "start the program elevated: `Start-Process powershell -Verb RunAs`",
        ),
        Rights::None => failed(
            NAME,
            "neither elevated nor a member of `Hyper-V Administrators`",
            "Windows refuses containers to others",
            "start the program elevated: `Start-Process powershell -Verb RunAs`; for Hyper-V isolation alone, \
             `Add-LocalGroupMember -Group 'Hyper-V Administrators' -Member USER` elevated, and log in again",
        ),
    }
}

pub(super) fn privileges(seen: &Seen) -> Check {
    const NAME: &str = "privileges";
    if seen.privileges {
        return Check::ok(NAME, "SeBackupPrivilege and SeRestorePrivilege are held");
    }
    let found = "SeBackupPrivilege or SeRestorePrivilege is not held";
    let cause = "layers cannot be made and removed without them";
    if seen.facts.rights == Rights::Elevated {
        let fix = "give them to the group `Administrators` again: `secpol.msc`, Local Policies, User Rights Assignment";
        return failed(NAME, found, cause, fix);
    }
    warning(NAME, found, cause, "start the program elevated")
}
