//! What a command says to those who are attached to it.

use containerv::{AttachFrame, AttachReader};

/// Everything that was heard until the command's end.
#[derive(Default, Debug)]
pub struct Heard {
    /// It was started meanwhile.
    pub started: bool,
    /// Its output.
    pub stdout: Vec<u8>,
    /// Its error output.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub code: Option<i32>,
}

/// Listens until the command has ended.
pub fn hear(reader: &mut AttachReader) -> Heard {
    let mut heard = Heard::default();
    while let Some(frame) = reader.next_frame().unwrap() {
        match frame {
            AttachFrame::Started => heard.started = true,
            AttachFrame::Stdout(bytes) => heard.stdout.extend(bytes),
            AttachFrame::Stderr(bytes) => heard.stderr.extend(bytes),
            AttachFrame::Exited(status) => heard.code = Some(status.docker_code()),
            other => panic!("{other:?}"),
        }
    }
    heard
}
