use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use super::pseudo::PseudoConsole;
use super::*;

#[test]
fn raw_modes_hand_on_keys_and_escapes() {
    let usual = Mode(
        ENABLE_PROCESSED_INPUT
            | ENABLE_LINE_INPUT
            | ENABLE_ECHO_INPUT
            | ENABLE_MOUSE_INPUT
            | ENABLE_QUICK_EDIT_MODE,
    );
    let raw = usual.raw_input();
    assert_eq!(raw.0, 0x80 | 0x20 | 0x40 | 0x200);
    assert_eq!(raw.raw_input(), raw);
    assert_eq!(Mode(ENABLE_PROCESSED_OUTPUT | ENABLE_WRAP_AT_EOL_OUTPUT).raw_output().0, 0xF);
    assert_eq!(Mode(0).with_escapes().0, 5);
}

#[test]
fn a_file_is_no_console() {
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    assert!(mode(&file).is_none() && size(&file).is_none());
    assert!(set_mode(&file, Mode(0)).is_err());
    assert!(read(&file, &mut [0; 4]).is_err());
}

#[test]
fn numbers_of_events_are_told_apart() {
    let known = (0..10).filter_map(Control::of).collect::<Vec<_>>();
    assert_eq!(known, [Control::C, Control::Break, Control::Close, Control::LogOff, Control::Shutdown]);
    assert_eq!(known.iter().filter(|control| control.is_last()).count(), 3);
}

/// As the system calls it: Wine delivers no events to a console of this kind.
#[test]
fn the_handler_is_told_of_events_once_it_is_there() {
    let (tell, heard) = mpsc::channel();
    let tell = Mutex::new(tell);
    // SAFETY: `told` may be called from any thread with any number.
    let event = |number| unsafe { told(number) };
    assert_eq!(event(CTRL_C_EVENT), 0, "nobody listens, and the system does what it does then");
    on_control(move |control| tell.lock().unwrap().send(control).unwrap()).unwrap();
    assert_eq!(on_control(|_| ()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!((event(CTRL_C_EVENT), event(CTRL_BREAK_EVENT), event(77)), (1, 1, 0));
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), [Control::C, Control::Break]);
}

/// Names the file into which the program in the console writes what it has seen.
const REPORT: &str = "CONTAINERV_CONSOLE_REPORT";
const PATIENCE: Duration = Duration::from_secs(60);

/// This test is also the program in the console.
#[test]
fn a_console_hands_on_keys_and_is_given_back() {
    if let Some(report) = std::env::var_os(REPORT) {
        return in_the_console(Path::new(&report));
    }
    let place = std::env::temp_dir().join(format!("containerv-console-{}", std::process::id()));
    fs::create_dir(&place).unwrap();
    let report = place.join("report");
    let program = std::env::current_exe().unwrap();
    let name = "windows::console::tests::a_console_hands_on_keys_and_is_given_back";
    let command = format!("\"{}\" --exact {name} --nocapture", program.display());
    let mut console = PseudoConsole::start(&command, (REPORT, report.as_os_str()), (100, 30)).unwrap();
    let sees = |text: &str| {
        let deadline = Instant::now() + PATIENCE;
        while !fs::read_to_string(&report).is_ok_and(|seen| seen.contains(text)) {
            assert!(Instant::now() < deadline, "`{text}`: {:?}", fs::read_to_string(&report));
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    sees("size (100, 30)\nraw\n");
    // Not Ctrl+C, which Wine's console does not pass on, whatever the mode.
    console.types("\u{1a}\u{e9}").unwrap();
    sees("keys [26, 233]\nback\n");
    assert!(console.wait(PATIENCE).unwrap());
    drop(console);
    fs::remove_dir_all(&place).unwrap();
}

fn in_the_console(report: &Path) {
    let mut report = fs::File::create(report).unwrap();
    let open = |name| fs::File::options().read(true).write(true).open(name).unwrap();
    let (input, output) = (open("CONIN$"), open("CONOUT$"));
    let (typed, shown) = (mode(&input).unwrap(), mode(&output).unwrap());
    writeln!(report, "size {:?}", size(&output).unwrap()).unwrap();
    set_mode(&input, typed.raw_input()).unwrap();
    set_mode(&output, shown.raw_output()).unwrap();
    writeln!(report, "raw").unwrap();
    let mut keys = Vec::new();
    while keys.len() < 2 {
        let mut room = [0; 16];
        let taken = read(&input, &mut room).unwrap();
        keys.extend_from_slice(&room[..taken]);
    }
    writeln!(report, "keys {keys:?}").unwrap();
    set_mode(&input, typed).unwrap();
    set_mode(&output, shown).unwrap();
    assert_eq!((mode(&input), mode(&output)), (Some(typed), Some(shown)));
    writeln!(report, "back").unwrap();
}
