//! The launcher's work.

use std::fs::{self, File};
use std::io::Write;
use std::ptr;

use serde_json::Value;
use windows_sys::Win32::Foundation::{
    CloseHandle, GetLastError, HANDLE, HANDLE_FLAG_INHERIT, INVALID_HANDLE_VALUE, SetHandleInformation,
};
use windows_sys::Win32::System::Console::{
    GetStdHandle, STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::Threading::{
    CREATE_UNICODE_ENVIRONMENT, CreateProcessW, CreateRemoteThread, GetExitCodeProcess, INFINITE,
    OpenProcess, PROCESS_ALL_ACCESS, PROCESS_INFORMATION, STARTF_USESTDHANDLES, STARTUPINFOW,
    TerminateProcess, WaitForSingleObject,
};

use crate::console;

pub fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// A path of Linux, as Wine takes it.
fn unix(path: &str) -> String {
    format!(r"\\?\unix{}", path.replace('/', "\\"))
}

pub fn run() -> i32 {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.is_empty()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["run", order, report] => start(order, report),
        ["terminate", process, code] => on_process(process, |handle| {
            // SAFETY: a live handle.
            unsafe { TerminateProcess(handle, code.parse().unwrap_or(1)) != 0 }
        }),
        ["signal", process, name] => on_process(process, |handle| signal(handle, name)),
        ["list"] => list(),
        _ => 2,
    }
}

fn on_process(process: &str, act: impl FnOnce(HANDLE) -> bool) -> i32 {
    // SAFETY: no pointers.
    let handle = unsafe { OpenProcess(PROCESS_ALL_ACCESS, 0, process.parse().unwrap_or(0)) };
    if handle.is_null() {
        return 1;
    }
    i32::from(!act(handle))
}

/// Runs the target's own handlers of the console event, as Windows does: in a thread of its own.
fn signal(process: HANDLE, name: &str) -> bool {
    let event: usize = match name {
        "CtrlC" => 0,
        "CtrlBreak" => 1,
        "CtrlClose" => 2,
        "CtrlLogOff" => 5,
        _ => 6,
    };
    let module = wide("kernelbase.dll");
    // SAFETY: both names end with a zero.
    let routine =
        unsafe { GetProcAddress(GetModuleHandleW(module.as_ptr()), c"CtrlRoutine".as_ptr().cast()) };
    let Some(routine) = routine else { return false };
    // SAFETY: a function of this type, at the same address in every process of an installation.
    let routine = unsafe {
        std::mem::transmute::<
            unsafe extern "system" fn() -> isize,
            unsafe extern "system" fn(*mut std::ffi::c_void) -> u32,
        >(routine)
    };
    // SAFETY: a live process, and its function.
    let thread = unsafe {
        CreateRemoteThread(
            process,
            ptr::null(),
            0,
            Some(routine),
            event as *const std::ffi::c_void,
            0,
            ptr::null_mut(),
        )
    };
    !thread.is_null()
}

fn list() -> i32 {
    // SAFETY: no pointers.
    let snapshot = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
    if snapshot == INVALID_HANDLE_VALUE {
        return 1;
    }
    let mut entry = PROCESSENTRY32W { dwSize: size_of::<PROCESSENTRY32W>() as u32, ..Default::default() };
    // SAFETY: the structure says its size.
    let mut more = unsafe { Process32FirstW(snapshot, &mut entry) } != 0;
    while more {
        let length = entry.szExeFile.iter().position(|unit| *unit == 0).unwrap_or(entry.szExeFile.len());
        let name = String::from_utf16_lossy(&entry.szExeFile[..length]);
        // This program is no part of the container.
        if !name.starts_with("sim-launcher") {
            println!("{} {name}", entry.th32ProcessID);
        }
        // SAFETY: as above.
        more = unsafe { Process32NextW(snapshot, &mut entry) } != 0;
    }
    0
}

fn start(order: &str, report: &str) -> i32 {
    let mut report = match File::options().write(true).open(unix(report)) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("launcher: {error}");
            return 3;
        }
    };
    let parameters: Value = match fs::read(unix(order)).map(|bytes| serde_json::from_slice(&bytes)) {
        Ok(Ok(parameters)) => parameters,
        _ => return 3,
    };
    let begun =
        if parameters["EmulateConsole"] == true { console::create(&parameters) } else { plain(&parameters) };
    let (process, finish) = match begun {
        Ok(begun) => begun,
        Err(code) => {
            let _ = writeln!(report, "failed {code}");
            return 4;
        }
    };
    let _ = writeln!(report, "started {}", process.dwProcessId);
    // What is still open here would keep the process's streams open when it has ended.
    if parameters["EmulateConsole"] != true {
        for stream in [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE] {
            // SAFETY: this program's own, which it uses no more.
            unsafe { CloseHandle(GetStdHandle(stream)) };
        }
    }
    let mut code = 0;
    // SAFETY: a live handle.
    unsafe {
        WaitForSingleObject(process.hProcess, INFINITE);
        GetExitCodeProcess(process.hProcess, &mut code);
    }
    finish();
    let _ = writeln!(report, "exited {code}");
    0
}

/// What is done when the process has ended.
pub type Finish = Box<dyn FnOnce()>;

pub type Begun = Result<(PROCESS_INFORMATION, Finish), u32>;

fn plain(parameters: &Value) -> Begun {
    let handle = |stream| {
        // SAFETY: this program's own streams.
        unsafe {
            let handle = GetStdHandle(stream);
            SetHandleInformation(handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
            handle
        }
    };
    let startup = STARTUPINFOW {
        cb: size_of::<STARTUPINFOW>() as u32,
        dwFlags: STARTF_USESTDHANDLES,
        hStdInput: handle(STD_INPUT_HANDLE),
        hStdOutput: handle(STD_OUTPUT_HANDLE),
        hStdError: handle(STD_ERROR_HANDLE),
        ..Default::default()
    };
    create(parameters, &startup, true, 0).map(|process| (process, Box::new(|| ()) as Finish))
}

/// Creates the process with exactly the command line that the parameters have.
pub fn create(
    parameters: &Value,
    startup: &STARTUPINFOW,
    inherit: bool,
    flags: u32,
) -> Result<PROCESS_INFORMATION, u32> {
    let text = |key: &str| parameters[key].as_str().filter(|text| !text.is_empty()).map(wide);
    let application = text("ApplicationName");
    let mut line = text("CommandLine");
    let directory = text("WorkingDirectory");
    let environment = environment(&parameters["Environment"]);
    let mut process = PROCESS_INFORMATION::default();
    let or_null = |text: &Option<Vec<u16>>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    // SAFETY: every text ends with a zero, the environment with two.
    let made = unsafe {
        CreateProcessW(
            or_null(&application),
            line.as_mut().map_or(ptr::null_mut(), |line| line.as_mut_ptr()),
            ptr::null(),
            ptr::null(),
            i32::from(inherit),
            CREATE_UNICODE_ENVIRONMENT | flags,
            environment.as_ptr().cast(),
            or_null(&directory),
            startup,
            &mut process,
        )
    };
    // SAFETY: no argument.
    if made == 0 { Err(unsafe { GetLastError() }) } else { Ok(process) }
}

/// The installation's environment with the parameters' laid over it.
fn environment(own: &Value) -> Vec<u16> {
    let own = own.as_object().cloned().unwrap_or_default();
    let same = |name: &str| own.keys().any(|key| key.eq_ignore_ascii_case(name));
    let inherited = std::env::vars().filter(|(name, _)| !same(name) && name != "PWD" && name != "OLDPWD");
    let mut all: Vec<(String, String)> = inherited.collect();
    all.extend(own.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())));
    all.sort_by_key(|(name, _)| name.to_ascii_uppercase());
    let mut block: Vec<u16> = all.iter().flat_map(|(name, value)| wide(&format!("{name}={value}"))).collect();
    block.extend([0, 0]);
    block
}
