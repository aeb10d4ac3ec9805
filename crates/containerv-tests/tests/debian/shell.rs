//! Shells that people sit at, through a real pseudo-terminal.

use containerv_tests::Person;

use super::Debian;

const BASH: &[&str] = &["bash", "--norc"];

/// Somebody at a shell in a container of its own.
fn bash(debian: &Debian) -> Person {
    let job = debian.bed.path("job.py");
    std::fs::write(&job, include_str!("job.py")).unwrap();
    let volume = format!("{}:/job.py:ro", super::utf8(&job));
    let words = ["-it", "--rm", "--overlay", "container", "-e", "PS1=ready> ", "-v", &volume];
    let mut person = debian.person(&debian.run_call(&[&words, BASH].concat()));
    person.sees("ready> ");
    person
}

#[test]
fn bash_knows_its_terminal_and_follows_its_size() {
    let Some(debian) = Debian::find() else { return };
    let mut person = bash(&debian);
    person.types("tty; stty size; test -t 0 && echo 'in'teractive $-\r");
    person.sees("\r/dev/pts/0\r\n30 100\r\ninteractive him");
    person.sees("ready> ");
    person.resize(132, 43);
    person.types("while [ \"$(stty size)\" != '43 132' ]; do sleep 0.05; done; echo $LINES x $COLUMNS\r");
    person.sees("\r43 x 132\r\n");
    // Editing a line: what is typed in the middle gets there, and history comes back.
    person.types("echo onethree\x1b[D\x1b[D\x1b[D\x1b[D\x1b[Dtwo\r");
    person.sees("\ronetwothree\r\n");
    person.sees("ready> ");
    person.types("\x1b[A\r");
    person.sees("\ronetwothree\r\n");
    person.sees("ready> ");
    person.types("\x04");
    assert_eq!(person.leaves(), 0, "the end of input is the end of the shell");
    assert!(person.is_cooked());
}

#[test]
fn programs_are_told_of_a_new_size() {
    let Some(debian) = Debian::find() else { return };
    let mut person = bash(&debian);
    let trap =
        "trap \"stty size\" WINCH; trap \"exit 9\" INT; echo wai\"\"ting; while :; do sleep 0.05; done";
    person.types(&format!("bash -c '{trap}'\r"));
    person.sees("\rwaiting\r\n");
    // Only once: bash forgets a signal that comes while its trap is at work.
    person.resize(81, 25);
    person.sees("25 81\r\n");
    person.types("\x03");
    person.sees("ready> ");
    person.types("echo code $?\r");
    person.sees("code 9");
    start_job(&mut person);
    for (columns, rows) in [(80, 24), (200, 50), (1, 1), (1000, 1000)] {
        person.resize(columns, rows);
        person.sees(&format!("size {columns} {rows}\r\n"));
    }
    person.types("\x04");
    person.sees("ready> ");
    person.types("exit\r");
    assert_eq!(person.leaves(), 9, "the code of the last command");
}

#[test]
fn jobs_are_stopped_continued_and_interrupted() {
    let Some(debian) = Debian::find() else { return };
    let mut person = bash(&debian);
    start_job(&mut person);
    person.types("one\r");
    person.sees("got one\r\n");
    person.types("\x1a");
    person.sees("Stopped");
    person.sees("ready> ");
    person.types("sleep 1000 & kill -0 $! && echo 'run'ning; jobs\r");
    person.sees("running\r\n");
    person.sees("[1]+  Stopped ");
    person.sees("[2]-  Running ");
    person.sees("ready> ");
    person.types("fg %1\r");
    person.sees("back\r\n");
    person.types("two\r");
    person.sees("got two\r\n");
    person.types("\x03");
    person.sees("KeyboardInterrupt");
    person.sees("ready> ");
    person.types("echo code $?\r");
    person.sees("code 130");
    person.types("kill %2; wait %2; echo code $?\r");
    person.sees("code 143");
    person.types("exit 7\r");
    assert_eq!(person.leaves(), 7);
    assert!(person.is_cooked());
}

#[test]
fn another_users_shell_has_its_own_jobs_in_the_same_terminal() {
    let Some(debian) = Debian::of_root() else { return };
    let mut person = bash(&debian);
    person.types("su -s /bin/bash --session-command 'bash --norc' nobody\r");
    person.sees("$ ");
    person.types("bash -c 'id -un; echo rea\"\"dy; exec cat'\r");
    person.sees("nobody\r\nready\r\n");
    person.types("\x03");
    person.sees("$ ");
    person.types("echo code $?; set -o | grep monitor; exit 5\r");
    person.sees("code 130\r\nmonitor        \ton\r\n");
    person.sees("ready> ");
    person.types("exit\r");
    assert_eq!(person.leaves(), 5);
}

/// Starts the program that tells what the terminal does to it.
fn start_job(person: &mut Person) {
    person.types("python3 /job.py\r");
    person.sees("\rready\r\n");
}

#[test]
fn several_people_share_a_container() {
    let Some(debian) = Debian::find() else { return };
    debian.background("box", &[]);
    let sit = |options: &[&str]| {
        let words = [&["exec", "-it", "-e", "PS1=ready> "], options, &["box"], BASH].concat();
        let mut person = debian.person(&debian.call(words));
        person.sees("ready> ");
        person
    };
    let (mut first, mut second) = (sit(&[]), sit(&["-w", "/usr", "-e", "WHO=second"]));
    first.types("tty; read x < <(until cat /dev/shm/note 2>/dev/null; do sleep 0.05; done); echo $x\r");
    first.sees("/dev/pts/0\r\n");
    second.types("tty; stty size; echo from $WHO in $PWD > /dev/shm/note\r");
    second.sees("/dev/pts/1\r\n30 100\r\n");
    first.sees("from second in /usr\r\n");
    second.resize(90, 20);
    second.types("until [ \"$(stty size)\" = '20 90' ]; do sleep 0.05; done; echo 're'sized\r");
    second.sees("resized\r\n");
    first.types("stty size; exit 3\r");
    first.sees("30 100\r\n");
    assert_eq!(first.leaves(), 3);
    second.types("exit 4\r");
    assert_eq!(second.leaves(), 4);
    debian.cv(&["rm", "-f", "box"]);
}
