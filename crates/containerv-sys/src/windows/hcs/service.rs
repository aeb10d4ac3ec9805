//! The service itself, and access of virtual machines to files.

// UNSAFETY: calls of computecore.dll.
#![allow(unsafe_code, reason = "calls of computecore.dll")]

use std::path::Path;

use super::Hcs;
use super::abi::{Answer, Code, Text};
use crate::windows::error::{Error, Hresult, Result};
use crate::windows::wide::{Allocator, Returned, Wide};

type WithAnswer = unsafe extern "system" fn(Text, Answer) -> Code;
type OnFile = unsafe extern "system" fn(Text) -> Code;
type OnFileOfVm = unsafe extern "system" fn(Text, Text) -> Code;

impl Hcs {
    /// Asks for properties of the service (`HcsGetServiceProperties`), without a query for the
    /// default ones. The cheapest way to find out whether it can be reached.
    ///
    /// # Errors
    ///
    /// The service's, with its document, as for all functions here.
    pub fn service_properties(&self, query: Option<&str>) -> Result<Option<String>> {
        let function = self.table.HcsGetServiceProperties()?;
        answered("HcsGetServiceProperties", function, query)
    }

    /// Changes settings of the service (`HcsModifyServiceSettings`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn modify_service(&self, settings: &str) -> Result<Option<String>> {
        let function = self.table.HcsModifyServiceSettings()?;
        answered("HcsModifyServiceSettings", function, Some(settings))
    }

    /// Hands a crash report to Windows Error Reporting (`HcsSubmitWerReport`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn submit_error_report(&self, report: &str) -> Result<()> {
        let function = self.table.HcsSubmitWerReport()?;
        on_text("HcsSubmitWerReport", function, &Wide::new(report)?)
    }

    /// Lets the virtual machine of a compute system open a file (`HcsGrantVmAccess`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn grant_vm_access(&self, id: &str, file: &Path) -> Result<()> {
        let function = self.table.HcsGrantVmAccess()?;
        on_file_of_vm("HcsGrantVmAccess", function, id, file)
    }

    /// Takes that access away (`HcsRevokeVmAccess`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn revoke_vm_access(&self, id: &str, file: &Path) -> Result<()> {
        let function = self.table.HcsRevokeVmAccess()?;
        on_file_of_vm("HcsRevokeVmAccess", function, id, file)
    }

    /// Lets every virtual machine open a file (`HcsGrantVmGroupAccess`, which older versions lack).
    ///
    /// # Errors
    ///
    /// If this Windows lacks the function; the service's.
    pub fn grant_vm_group_access(&self, file: &Path) -> Result<()> {
        let function = self.table.HcsGrantVmGroupAccess()?;
        on_text("HcsGrantVmGroupAccess", function, &Wide::new(file)?)
    }

    /// Takes that access away (`HcsRevokeVmGroupAccess`, which older versions lack).
    ///
    /// # Errors
    ///
    /// If this Windows lacks the function; the service's.
    pub fn revoke_vm_group_access(&self, file: &Path) -> Result<()> {
        let function = self.table.HcsRevokeVmGroupAccess()?;
        on_text("HcsRevokeVmGroupAccess", function, &Wide::new(file)?)
    }

    /// Makes the file for a virtual machine's guest state (`HcsCreateEmptyGuestStateFile`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn create_guest_state_file(&self, file: &Path) -> Result<()> {
        let function = self.table.HcsCreateEmptyGuestStateFile()?;
        on_text("HcsCreateEmptyGuestStateFile", function, &Wide::new(file)?)
    }

    /// Makes the file for a virtual machine's runtime state (`HcsCreateEmptyRuntimeStateFile`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn create_runtime_state_file(&self, file: &Path) -> Result<()> {
        let function = self.table.HcsCreateEmptyRuntimeStateFile()?;
        on_text("HcsCreateEmptyRuntimeStateFile", function, &Wide::new(file)?)
    }
}

fn answered(name: &'static str, function: WithAnswer, text: Option<&str>) -> Result<Option<String>> {
    let text = Wide::optional(text)?;
    let mut answer = Returned::new(Allocator::Local);
    // SAFETY: the text outlives the call, and the slot takes a pointer.
    let code = Hresult::from(unsafe { function(text.as_ptr(), answer.slot()) });
    let document = answer.take(name)?;
    if code.is_success() { Ok(document) } else { Err(Error::failed(name, code, document)) }
}

fn on_text(name: &'static str, function: OnFile, text: &Wide) -> Result<()> {
    // SAFETY: the text outlives the call.
    done(name, unsafe { function(text.as_ptr()) })
}

fn on_file_of_vm(name: &'static str, function: OnFileOfVm, id: &str, file: &Path) -> Result<()> {
    let (id, file) = (Wide::new(id)?, Wide::new(file)?);
    // SAFETY: both texts outlive the call.
    done(name, unsafe { function(id.as_ptr(), file.as_ptr()) })
}

fn done(name: &'static str, code: Code) -> Result<()> {
    let code = Hresult::from(code);
    if code.is_success() { Ok(()) } else { Err(Error::failed(name, code, None)) }
}
