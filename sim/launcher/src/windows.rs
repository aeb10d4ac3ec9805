//! The launcher's work.

use std::fs::{self, File};
use std::io::Write;
use std::ptr;

use serde_json::Value;
use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_INTERNAL_ERROR, GetLastError, HANDLE, HANDLE_FLAG_INHERIT, SetHandleInformation,
};
use windows_sys::Win32::System::Console::{
    GetStdHandle, STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
};
use windows_sys::Win32::System::Threading::{
    CREATE_UNICODE_ENVIRONMENT, CreateProcessW, GetExitCodeProcess, INFINITE, OpenProcess,
    PROCESS_ALL_ACCESS, PROCESS_INFORMATION, STARTF_USESTDHANDLES, STARTUPINFOW, TerminateProcess,
    WaitForSingleObject,
};

use crate::{console, processes, signal};

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
        ["signal", process, name] => on_process(process, |handle| signal::send(handle, name)),
        ["resize", process, size] => console::resize(process, size),
        ["list"] => processes::list(),
        // Until it is ended.
        ["wait"] => loop {
            std::thread::park();
        },
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

/// How often a process is created that ends before it has begun: Wine does that under load, and says
/// `ERROR_INTERNAL_ERROR`, which no other failure has.
const START_ATTEMPTS: u32 = 4;

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
    let or_null = |text: &Option<Vec<u16>>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    for left in (0..START_ATTEMPTS).rev() {
        let mut process = PROCESS_INFORMATION::default();
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
        if made != 0 {
            return Ok(process);
        }
        // SAFETY: no argument.
        let code = unsafe { GetLastError() };
        if code != ERROR_INTERNAL_ERROR || left == 0 {
            return Err(code);
        }
    }
    Err(ERROR_INTERNAL_ERROR)
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
