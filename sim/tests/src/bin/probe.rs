//! A program for containers: looks around, and says what it sees.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};

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
        ["serve", port] => serve(port),
        ["fetch", address] => fetch(address),
        ["sleep"] => loop {
            std::thread::sleep(std::time::Duration::from_secs(60));
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
    let mut taken = Vec::new();
    for number in 0..megabytes {
        // Different pages, so that each is there.
        taken.push((0..1 << 20).map(|at| (at + number) as u8).collect::<Vec<u8>>());
    }
    say(&format!("took {}", taken.len()))
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
    let Ok(mut stream) = TcpStream::connect_timeout(&address, std::time::Duration::from_secs(20)) else {
        return 2;
    };
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    say(&text)
}
