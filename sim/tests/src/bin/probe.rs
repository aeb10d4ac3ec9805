//! A program for containers: looks around, and says what it sees.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::Duration;

#[cfg(windows)]
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let code = match words[..] {
        ["cat"] => copy(),
        ["exit", code] => code.parse().unwrap_or(1),
        // Exits when told to, with the code that it is told.
        ["obey"] => {
            let mut line = String::new();
            let _ = std::io::stdin().read_line(&mut line);
            line.trim().parse().unwrap_or(1)
        }
        // The words as they arrived, one a line.
        ["words", ..] => say(&words[1..].join("\n")),
        ["environment", name] => say(&std::env::var(name).unwrap_or_default()),
        // Takes so many megabytes and uses them.
        ["memory", megabytes] => memory(megabytes.parse().unwrap_or(0)),
        // Holds so many megabytes, or works, or counts into a file, until its input ends.
        ["hold", megabytes] => hold(megabytes.parse().unwrap_or(0)),
        ["spin"] => spin(),
        ["tick", file] => repeat(file, |turn| turn.to_string()),
        ["watch-console", file] => repeat(file, |_| sim_tests::api_console::size().unwrap_or_default()),
        // Ends with 33 when a console event has come, whose number is then in the file.
        ["handle", file] => sim_tests::api_console::handle(file),
        ["serve", port] => serve(port),
        ["fetch", address] => fetch(address),
        ["sleep"] => loop {
            thread::sleep(Duration::from_secs(60));
        },
        _ => 99,
    };
    std::process::exit(code);
}

fn say(text: &str) -> i32 {
    println!("{text}");
    0
}

fn copy() -> i32 {
    i32::from(std::io::copy(&mut std::io::stdin().lock(), &mut std::io::stdout().lock()).is_err())
}

fn memory(megabytes: usize) -> i32 {
    say(&format!("took {}", take(megabytes).len()))
}

fn take(megabytes: usize) -> Vec<Vec<u8>> {
    // Different pages, so that each is there.
    (0..megabytes).map(|number| (0..1 << 20).map(|at| (at + number) as u8).collect()).collect()
}

fn hold(megabytes: usize) -> i32 {
    let taken = take(megabytes);
    say("holding");
    end_of_input();
    i32::from(taken.len() != megabytes)
}

fn end_of_input() {
    let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
}

/// Works with one thread until its input ends.
fn spin() -> i32 {
    thread::spawn(|| {
        loop {
            std::hint::spin_loop();
        }
    });
    say("spinning");
    end_of_input();
    0
}

/// Writes a text into the file again and again, for ever.
fn repeat(file: &str, text: impl Fn(u64) -> String) -> i32 {
    for turn in 0.. {
        // Whole at once: a reader sees the old or the new text.
        if std::fs::write(file, text(turn)).is_err() {
            return 1;
        }
        thread::sleep(Duration::from_millis(20));
    }
    0
}

/// Greets one who connects.
fn serve(port: &str) -> i32 {
    let Ok(listener) = TcpListener::bind(("0.0.0.0", port.parse().unwrap_or(0))) else { return 1 };
    say("listening");
    match listener.accept() {
        Ok((mut stream, _)) => i32::from(stream.write_all(b"greetings").is_err()),
        Err(_) => 1,
    }
}

fn fetch(address: &str) -> i32 {
    let Some(address) = address.to_socket_addrs().ok().and_then(|mut list| list.next()) else { return 1 };
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(20)) else {
        return 2;
    };
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    say(&text)
}

#[cfg(not(windows))]
fn main() {
    eprintln!("a Windows program");
}
