//! Processes in a container: what makes one, changes it, and tells how it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::is_default;

/// What `HcsCreateProcess` takes, in both generations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ProcessParameters {
    /// Program and arguments as one line, quoted.
    pub command_line: String,
    /// Who it runs as; the image's usual user unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// Variables. Names are the same in any case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Give it a console; then errors come with the output, and there is no pipe for them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub emulate_console: bool,
    /// Make a pipe to its input.
    #[serde(default, skip_serializing_if = "is_default")]
    pub create_std_in_pipe: bool,
    /// Make a pipe from its output.
    #[serde(default, skip_serializing_if = "is_default")]
    pub create_std_out_pipe: bool,
    /// Make a pipe from its errors.
    #[serde(default, skip_serializing_if = "is_default")]
    pub create_std_err_pipe: bool,
    /// Height and width of the console in characters. An array here, an object when it is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console_size: Option<[u16; 2]>,
}

/// What `HcsModifyProcess` takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "Operation", deny_unknown_fields)]
pub enum ModifyProcess {
    /// Change the size of the console.
    ConsoleSize {
        /// The new size.
        #[serde(rename = "ConsoleSize")]
        size: ConsoleSize,
    },
    /// Close a standard stream. Closing the pipe alone does not end the program's input.
    CloseHandle {
        /// Which.
        #[serde(rename = "CloseHandle")]
        stream: CloseHandle,
    },
}

/// Size of a console in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ConsoleSize {
    /// Lines.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// A standard stream to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CloseHandle {
    /// Which.
    pub handle: StandardHandle,
}

/// A standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StandardHandle {
    /// Input.
    StdIn,
    /// Output.
    StdOut,
    /// Errors.
    StdErr,
    /// All three.
    All,
}

/// What `HcsSignalProcess` takes for a Windows program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct SignalProcess {
    /// The event.
    pub signal: ConsoleEvent,
}

/// An event that Windows delivers to console programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsoleEvent {
    /// Ctrl+C.
    CtrlC,
    /// Ctrl+Break.
    CtrlBreak,
    /// The console's window is closed.
    CtrlClose,
    /// The user logs off.
    CtrlLogOff,
    /// The machine shuts down.
    CtrlShutdown,
}

/// How a process is: the answer about its properties, and the event at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ProcessStatus {
    /// Number in the container.
    pub process_id: u32,
    /// It has ended.
    pub exited: bool,
    /// Exit code; means something only if it has ended and `last_wait_result` is 0.
    pub exit_code: u32,
    /// HRESULT of waiting for it.
    pub last_wait_result: i32,
}

impl ProcessStatus {
    /// Returns the exit code if there is one.
    pub fn code(&self) -> Option<u32> {
        (self.exited && self.last_wait_result == 0).then_some(self.exit_code)
    }
}
