//! Exports on the service itself, and on files that virtual machines may open.

use sim_library::text::read;
use sim_library::{codes, json};

use crate::operation::deliver;
use crate::{LINK, Text, TextOut};

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsGetServiceProperties(query: Text, result: TextOut) -> u32 {
    // SAFETY: the caller's word.
    let query = unsafe { read(query) };
    deliver(Ok(LINK.call("HcsGetServiceProperties", json!({"query": query}))), result)
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsModifyServiceSettings(settings: Text, result: TextOut) -> u32 {
    // SAFETY: the caller's word.
    let settings = unsafe { read(settings) };
    deliver(Ok(LINK.call("HcsModifyServiceSettings", json!({"settings": settings}))), result)
}

/// Exports that take one text.
macro_rules! with_one {
    ($($name:ident: $argument:literal;)*) => {$(
        /// # Safety
        ///
        /// As Windows documents it.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name(text: Text) -> u32 {
            if text.is_null() {
                return codes::E_INVALIDARG;
            }
            // SAFETY: the caller's word.
            LINK.call(stringify!($name), json!({$argument: unsafe { read(text) }})).hresult
        }
    )*};
}

with_one! {
    HcsSubmitWerReport: "settings";
    HcsCreateEmptyGuestStateFile: "file";
    HcsCreateEmptyRuntimeStateFile: "file";
    HcsGrantVmGroupAccess: "file";
    HcsRevokeVmGroupAccess: "file";
}

/// Exports that take a machine's id and a file.
macro_rules! with_file {
    ($($name:ident)*) => {$(
        /// # Safety
        ///
        /// As Windows documents it.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name(id: Text, file: Text) -> u32 {
            if id.is_null() || file.is_null() {
                return codes::E_INVALIDARG;
            }
            // SAFETY: the caller's word.
            LINK.call(stringify!($name), json!({"id": unsafe { read(id) }, "file": unsafe { read(file) }})).hresult
        }
    )*};
}

with_file! { HcsGrantVmAccess HcsRevokeVmAccess }
