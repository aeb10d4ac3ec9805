//! Answers of the compute service: whatever comes is read or refused, and what is read survives being written.

use containerv_spec::hcs::Text;
use containerv_spec::hcs::codes::{canonical, describe};
use containerv_spec::hcs::exit;
use containerv_spec::hcs::process::ProcessStatus;
use containerv_spec::hcs::properties::Properties;
use containerv_spec::hcs::result::{CrashReport, NetworkError, ResultError, SystemExitStatus};
use containerv_spec::hcs::service::{BasicInformation, CredentialInstances, ServiceProperties};

use crate::invariant::document;

/// Reads the input as each answer.
pub fn target(data: &[u8]) {
    document::<ProcessStatus>(data);
    document::<Properties>(data);
    document::<CrashReport>(data);
    document::<NetworkError>(data);
    document::<SystemExitStatus>(data);
    document::<ServiceProperties<BasicInformation>>(data);
    document::<ServiceProperties<CredentialInstances>>(data);
    document::<Text>(data);
    if let Some(error) = document::<ResultError>(data) {
        let code = error.code();
        assert_eq!(describe(code), describe(canonical(code)));
        assert!(exit::text(code).starts_with(&code.to_string()));
    }
}
