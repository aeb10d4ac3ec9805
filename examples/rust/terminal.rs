//! Gives a command a terminal, types into it, changes its size and shows what appears.
//!
//! ```sh
//! cargo run -p containerv-examples --bin terminal
//! ```

#[cfg(unix)]
fn main() -> containerv::Result<()> {
    use std::fs::File;
    use std::io::{Read, Write};

    use containerv::spec::request::{Root, TerminalSize};
    use containerv::{Container, Host};

    let host = Host::open()?;
    let container = Container::builder(Root::Host).read_only().create(&host)?.delete_on_drop();
    let size = TerminalSize { columns: 80, rows: 24 };
    let mut shell = container.command("sh").terminal(size).spawn()?;
    shell.resize(TerminalSize { columns: 132, rows: 43 })?;

    // The master end: what is written is typed, what is read is shown.
    let Some(master) = shell.take_terminal() else { return Ok(()) };
    let mut keyboard = File::from(master);
    let typed = keyboard.write_all(b"stty size; tty; exit 7\n");
    typed.map_err(|error| containerv::Error::io(error, "cannot type into the terminal"))?;
    let mut shown = Vec::new();
    // The kernel ends the reading with EIO once nobody has the terminal open any more.
    let _ = keyboard.read_to_end(&mut shown);
    println!("{}", String::from_utf8_lossy(&shown));
    println!("the shell ended: {}", shell.wait()?);
    Ok(())
}

#[cfg(not(unix))]
fn main() {
    eprintln!("terminals need a backend that runs containers here, and there is none yet");
}
