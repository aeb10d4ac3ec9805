//! A program for containers of both systems, so that no test depends on a shell: it does what its
//! words say, one thing after the other.
//!
//! `inside THING.. [+ THING..]..`
//!
//! `build.rs` makes a static program of it, which the test beds put into root file systems.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit, reason = "its output is its interface")]

use std::fs;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

/// What it exits with when a thing cannot be done.
const FAILED: i32 = 90;
/// What it exits with when it is told something that it does not know.
const UNKNOWN: i32 = 91;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    for thing in words.split(|word| word == "+") {
        let thing: Vec<&str> = thing.iter().map(String::as_str).collect();
        if let Err(error) = act(&thing) {
            eprintln!("inside: {thing:?}: {error}");
            std::process::exit(FAILED);
        }
    }
}

fn act(thing: &[&str]) -> io::Result<()> {
    match *thing {
        ["echo", ref words @ ..] => say(words),
        ["error", ref words @ ..] => {
            eprintln!("{}", words.join(" "));
            Ok(())
        }
        // The words as they arrived, one a line.
        ["words", ref words @ ..] => words.iter().try_for_each(|word| say(&[word])),
        ["exit", code] => std::process::exit(number(code)? as i32),
        ["sleep", milliseconds] => {
            std::thread::sleep(Duration::from_millis(number(milliseconds)?));
            Ok(())
        }
        ["environment"] => environment(),
        ["directory"] => say(&[&std::env::current_dir()?.display().to_string()]),
        ["host"] => say(&[&host()?]),
        ["terminal"] => {
            let seen = [io::stdin().is_terminal(), io::stdout().is_terminal()];
            say(&[&format!("{seen:?}")])
        }
        ref other => act_on_streams(other).or_else(|other| act_on_files(&other)).unwrap_or_else(|other| {
            eprintln!("inside: {other:?} is not known");
            std::process::exit(UNKNOWN);
        }),
    }
}

type Things<'a> = Vec<&'a str>;

fn act_on_streams<'a>(thing: &[&'a str]) -> Result<io::Result<()>, Things<'a>> {
    Ok(match *thing {
        ["cat"] => io::copy(&mut io::stdin().lock(), &mut io::stdout().lock()).map(drop),
        ["count"] => {
            io::copy(&mut io::stdin().lock(), &mut io::sink()).and_then(|read| say(&[&read.to_string()]))
        }
        ["answer"] => answer(),
        ["line"] => io::stdin().lock().read_line(&mut String::new()).map(drop),
        ["numbers", last] => numbers(last),
        ["flood"] => flood(),
        ["spin", milliseconds] => spin(milliseconds),
        ["take", megabytes] => take(megabytes),
        ["serve", port] => serve(port),
        ["fetch", address] => fetch(address),
        ["address", peer] => address(peer),
        _ => return Err(thing.to_vec()),
    })
}

fn act_on_files<'a>(thing: &[&'a str]) -> Result<io::Result<()>, Things<'a>> {
    Ok(match *thing {
        ["write", file, text] => fs::write(file, text),
        ["append", file, text] => {
            let file = fs::File::options().append(true).create(true).open(file);
            file.and_then(|mut file| file.write_all(text.as_bytes()))
        }
        ["read", file] => fs::read(file).and_then(|bytes| io::stdout().write_all(&bytes)),
        ["remove", file] => fs::remove_file(file),
        ["mkdir", directory] => fs::create_dir_all(directory),
        ["exists", file] => fs::exists(file).and_then(|exists| say(&[&exists.to_string()])),
        ["tree", directory] => tree(Path::new(directory), ""),
        // Exits with the number of bytes of a file.
        ["exit-size", file] => fs::metadata(file).map(|file| std::process::exit(file.len() as i32)),
        _ => return Err(thing.to_vec()),
    })
}

fn number(word: &str) -> io::Result<u64> {
    // Exit codes of Windows may be negative.
    word.parse::<i64>().map(|number| number as u64).map_err(io::Error::other)
}

/// A line, at once.
fn say(words: &[&str]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{}", words.join(" "))?;
    output.flush()
}

fn environment() -> io::Result<()> {
    let mut all: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
    all.sort();
    all.iter().try_for_each(|entry| say(&[entry]))
}

fn host() -> io::Result<String> {
    if cfg!(windows) {
        return Ok(std::env::var("COMPUTERNAME").unwrap_or_default().to_lowercase());
    }
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim().to_owned())
}

/// Does as each line of its input says: `exit CODE`; anything else is repeated.
fn answer() -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let line = line?;
        let line = line.trim_end_matches('\r');
        match line.split_once(' ') {
            Some(("exit", code)) => std::process::exit(number(code)? as i32),
            _ => say(&["got", line])?,
        }
    }
    Ok(())
}

fn numbers(last: &str) -> io::Result<()> {
    let mut output = io::BufWriter::new(io::stdout().lock());
    for line in 1..=number(last)? {
        writeln!(output, "{line}")?;
    }
    output.flush()
}

/// Writes until nobody reads.
fn flood() -> io::Result<()> {
    let mut output = io::stdout().lock();
    loop {
        output.write_all(&[b'y'; 4096])?;
    }
}

fn spin(milliseconds: &str) -> io::Result<()> {
    let end = std::time::Instant::now() + Duration::from_millis(number(milliseconds)?);
    let mut state = 1u64;
    while std::time::Instant::now() < end {
        state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    Ok(())
}

/// Takes so much memory, uses it, and keeps it until its input ends.
fn take(megabytes: &str) -> io::Result<()> {
    let megabytes = number(megabytes)? as usize;
    // Different pages, so that each is there.
    let taken: Vec<u8> = (0..megabytes << 20).map(|at| (at >> 12) as u8).collect();
    say(&["took", &megabytes.to_string()])?;
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    drop(std::hint::black_box(taken));
    Ok(())
}

/// Greets one who connects.
fn serve(port: &str) -> io::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", number(port)? as u16))?;
    say(&["listening"])?;
    listener.accept()?.0.write_all(b"greetings")
}

fn fetch(address: &str) -> io::Result<()> {
    let mut text = String::new();
    TcpStream::connect(address)?.read_to_string(&mut text)?;
    say(&[&text])
}

/// The own address by which a peer would be talked to; nothing is sent.
fn address(peer: &str) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(peer)?;
    say(&[&socket.local_addr()?.ip().to_string()])
}

/// Every file below a directory, with its size and checksum; names in order, with slashes.
fn tree(directory: &Path, prefix: &str) -> io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            say(&[&format!("{name}/")])?;
            tree(&entry.path(), &format!("{name}/"))?;
        } else {
            let bytes = fs::read(entry.path())?;
            say(&[&name, &bytes.len().to_string(), &format!("{:016x}", checksum(&bytes))])?;
        }
    }
    Ok(())
}

/// FNV-1a of 64 bits.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
