//! How far a pull or a push is: a line for each layer on a terminal, one for each layer that is done elsewhere.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use containerv::{PullEvent, PullProgress, PushEvent, PushProgress, Skipped};
use containerv_spec::ByteSize;
use containerv_spec::image::{Descriptor, Digest};

use crate::output;
use crate::terminal;

/// How often a terminal is drawn at most.
const PERIOD: Duration = Duration::from_millis(100);
/// Width of a bar.
const BAR: usize = 24;
/// Lines of a terminal that are left free.
const FREE_LINES: usize = 3;
/// Lines of a terminal that does not say.
const USUAL_LINES: usize = 24;

/// Entries of layers that are named when they could not be unpacked as they should.
const NAMED: usize = 10;

/// What is told of a pull, on standard error.
pub(super) struct Progress(Arc<Mutex<Board>>);

struct Board {
    how: How,
    layers: Vec<Layer>,
    drawn: Option<Instant>,
    lines: usize,
    /// What the layers do not have as they should: the first entries, and how many.
    left_out: (Vec<Skipped>, u64),
    warns: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Nothing,
    Lines,
    Screen,
}

struct Layer {
    digest: Digest,
    size: u64,
    phase: Phase,
    /// Bytes that are here.
    done: u64,
    /// When the download began, and with how many bytes.
    begun: Option<(Instant, u64)>,
    /// Bytes of files.
    unpacked: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Ahead,
    Waiting,
    Downloading,
    Verifying,
    Unpacking,
    Present,
    Done,
    Uploading,
    There,
    Pushed,
}

impl Phase {
    fn is_end(self) -> bool {
        matches!(self, Self::Present | Self::Done | Self::There | Self::Pushed)
    }
}

impl Progress {
    /// A progress that nobody sees if `quiet`.
    pub(super) fn new(quiet: bool) -> Self {
        let how = match quiet {
            true => How::Nothing,
            false if terminal::takes_escapes(&io::stderr()) => How::Screen,
            false => How::Lines,
        };
        Self::of(Board::new(how, !quiet))
    }

    /// A progress that tells only what could not be unpacked as it should.
    pub(super) fn warnings() -> Self {
        Self::of(Board::new(How::Nothing, true))
    }

    fn of(board: Board) -> Self {
        Self(Arc::new(Mutex::new(board)))
    }

    /// What is to be told of events.
    pub(super) fn callback(&self) -> PullProgress {
        let board = self.0.clone();
        Arc::new(move |event| board.lock().unwrap_or_else(PoisonError::into_inner).take(event))
    }

    /// What is to be told of events of a push.
    pub(super) fn push_callback(&self) -> PushProgress {
        let board = self.0.clone();
        Arc::new(move |event| board.lock().unwrap_or_else(PoisonError::into_inner).take_push(event))
    }

    /// Draws the end, and warns.
    pub(super) fn end(&self) {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if board.how == How::Screen && !board.layers.is_empty() {
            board.draw();
        }
        let (named, count) = std::mem::take(&mut board.left_out);
        if board.warns {
            output::warn_left_out(&named, count);
        }
    }
}

impl Board {
    fn new(how: How, warns: bool) -> Self {
        Self { how, layers: Vec::new(), drawn: None, lines: 0, left_out: (Vec::new(), 0), warns }
    }

    fn take(&mut self, event: &PullEvent) {
        if let PullEvent::Resolved { reference, platform, layers, .. } = event {
            self.begin(layers, &format!("{}: pulling for {platform}\n", reference.familiar()));
        }
        if let PullEvent::LeftOut { entries, count, .. } = event {
            let room = NAMED.saturating_sub(self.left_out.0.len());
            self.left_out.0.extend(entries.iter().take(room).cloned());
            self.left_out.1 += count;
        }
        let finished = self.note(event);
        self.show(finished);
    }

    fn take_push(&mut self, event: &PushEvent) {
        if let PushEvent::Begun { reference, blobs } = event {
            self.begin(blobs, &format!("{}: pushing\n", reference.familiar()));
        }
        let finished = self.note_push(event);
        self.show(finished);
    }

    fn begin(&mut self, blobs: &[Descriptor], said: &str) {
        let layer = |blob: &Descriptor| Layer {
            digest: blob.digest.clone(),
            size: blob.size,
            phase: Phase::Ahead,
            done: 0,
            begun: None,
            unpacked: 0,
        };
        self.layers = blobs.iter().map(layer).collect();
        if self.how != How::Nothing {
            output::message(said);
        }
    }

    fn show(&mut self, finished: Option<String>) {
        match (self.how, finished) {
            (How::Lines, Some(line)) => output::message(&line),
            (How::Screen, finished) => {
                let due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= PERIOD);
                if (due || finished.is_some()) && !self.layers.is_empty() {
                    self.draw();
                }
            }
            _ => {}
        }
    }

    /// Notes what has happened to a layer; returns what is said when it is done.
    fn note(&mut self, event: &PullEvent) -> Option<String> {
        let (digest, phase) = match event {
            PullEvent::Present { layer } => (layer, Phase::Present),
            PullEvent::Waiting { layer } => (layer, Phase::Waiting),
            PullEvent::Downloading { layer, .. } => (layer, Phase::Downloading),
            PullEvent::Verifying { layer } => (layer, Phase::Verifying),
            PullEvent::Unpacking { layer, .. } => (layer, Phase::Unpacking),
            PullEvent::Done { layer } => (layer, Phase::Done),
            _ => return None,
        };
        // An image may have a layer twice.
        let found = self.layers.iter_mut().find(|layer| layer.digest == *digest && !layer.phase.is_end())?;
        match event {
            PullEvent::Downloading { done, .. } => {
                found.begun.get_or_insert((Instant::now(), *done));
                found.done = *done;
            }
            PullEvent::Unpacking { done, .. } => found.unpacked = *done,
            _ => {}
        }
        // Unpacking goes on beside the download, which is what takes long.
        let downloading =
            matches!(found.phase, Phase::Waiting | Phase::Downloading) && found.done < found.size;
        if phase != Phase::Unpacking || !downloading {
            found.phase = phase;
        }
        match phase {
            Phase::Present => Some(format!("{}: already here\n", digest.short())),
            Phase::Done => {
                found.done = found.size;
                Some(format!("{}: pulled ({})\n", digest.short(), ByteSize::bytes(found.size)))
            }
            _ => None,
        }
    }

    /// Notes what has happened to a blob of a push; returns what is said when it is done.
    fn note_push(&mut self, event: &PushEvent) -> Option<String> {
        let (PushEvent::Uploading { blob, .. } | PushEvent::Done { blob, .. }) = event else { return None };
        let found = self.layers.iter_mut().find(|layer| layer.digest == *blob)?;
        match event {
            PushEvent::Uploading { done, .. } => {
                found.begun.get_or_insert((Instant::now(), *done));
                (found.done, found.phase) = (*done, Phase::Uploading);
                None
            }
            PushEvent::Done { sent, .. } => {
                let (phase, word) =
                    if *sent { (Phase::Pushed, "pushed") } else { (Phase::There, "already there") };
                found.phase = phase;
                Some(format!("{}: {word}\n", blob.short()))
            }
            _ => None,
        }
    }

    fn draw(&mut self) {
        let size = terminal::size();
        let rows = size.map_or(USUAL_LINES, |size| usize::from(size.rows));
        let columns = size.map_or(80, |size| usize::from(size.columns));
        let lines = self.shown(rows.saturating_sub(FREE_LINES).max(1), Instant::now());
        let mut text = String::new();
        if self.lines > 0 {
            _ = write!(text, "\x1b[{}A", self.lines);
        }
        for line in &lines {
            let cut: String = line.chars().take(columns.saturating_sub(1)).collect();
            _ = writeln!(text, "\r\x1b[2K{cut}");
        }
        // There were more before.
        for _ in lines.len()..self.lines {
            text.push_str("\r\x1b[2K\n");
        }
        self.lines = self.lines.max(lines.len());
        self.drawn = Some(Instant::now());
        output::message(&text);
    }

    /// The lines of layers, or, where these are too many, of those that something happens to.
    fn shown(&self, most: usize, now: Instant) -> Vec<String> {
        if self.layers.len() <= most {
            return self.layers.iter().map(|layer| layer.line(now)).collect();
        }
        let ended = self.layers.iter().filter(|layer| layer.phase.is_end()).count();
        let busy = |layer: &&Layer| layer.phase != Phase::Ahead && !layer.phase.is_end();
        let mut lines: Vec<String> =
            self.layers.iter().filter(busy).take(most - 1).map(|layer| layer.line(now)).collect();
        lines.push(format!("{ended} of {} layers", self.layers.len()));
        lines
    }
}

impl Layer {
    fn line(&self, now: Instant) -> String {
        let name = self.digest.short();
        match self.phase {
            Phase::Ahead => format!("{name}: ahead"),
            Phase::Waiting => format!("{name}: waiting"),
            Phase::Verifying => format!("{name}: verifying"),
            Phase::Unpacking => format!("{name}: unpacking  {}", ByteSize::bytes(self.unpacked)),
            Phase::Present => format!("{name}: already here"),
            Phase::Done => format!("{name}: pulled  {}", ByteSize::bytes(self.size)),
            Phase::There => format!("{name}: already there"),
            Phase::Pushed => format!("{name}: pushed  {}", ByteSize::bytes(self.size)),
            Phase::Downloading | Phase::Uploading => {
                let filled = match self.size {
                    0 => BAR,
                    size => (u128::from(self.done) * BAR as u128 / u128::from(size)) as usize,
                };
                let bar = format!("{}{}", "=".repeat(filled.min(BAR)), " ".repeat(BAR - filled.min(BAR)));
                let sizes = format!("{}/{}", ByteSize::bytes(self.done), ByteSize::bytes(self.size));
                let doing = if self.phase == Phase::Uploading { "uploading" } else { "downloading" };
                format!("{name}: {doing}  [{bar}]  {sizes}{}", self.rate(now))
            }
        }
    }

    /// Bytes a second, and how long it takes at that rate.
    fn rate(&self, now: Instant) -> String {
        let Some((begun, held)) = self.begun else { return String::new() };
        let seconds = now.saturating_duration_since(begun).as_secs_f64();
        let rate = (self.done.saturating_sub(held)) as f64 / seconds;
        if seconds < 0.5 || rate < 1.0 {
            return String::new();
        }
        let left = self.size.saturating_sub(self.done) as f64 / rate;
        format!("  {}/s  {}s left", ByteSize::bytes(rate as u64), left.ceil() as u64)
    }
}

#[cfg(test)]
mod tests {
    use containerv::SkipReason;
    use containerv_spec::image::Platform;

    use super::*;

    fn digest(number: u8) -> Digest {
        Digest::of(&[number])
    }

    fn board(layers: u8) -> Board {
        let mut board = Board::new(How::Nothing, true);
        let blob = |number| Descriptor { size: 4 << 20, ..Descriptor::of("", &[number]) };
        board.take(&PullEvent::Resolved {
            reference: "app".parse().unwrap(),
            digest: digest(0),
            platform: Platform::new("linux", "amd64"),
            layers: (0..layers).map(blob).collect(),
        });
        board
    }

    fn downloading(number: u8, done: u64) -> PullEvent {
        PullEvent::Downloading { layer: digest(number), done, total: 4 << 20 }
    }

    #[test]
    fn a_layer_says_what_happens_to_it() {
        let mut board = board(2);
        let (first, second) = (digest(0), digest(1));
        board.take(&downloading(0, 1 << 20));
        board.take(&PullEvent::Unpacking { layer: first.clone(), done: 5 });
        board.take(&PullEvent::Present { layer: second.clone() });
        let later = Instant::now() + Duration::from_secs(10);
        board.layers[0].begun = board.layers[0].begun.map(|(begun, _)| (begun, 0));
        let lines = board.shown(10, later);
        let line = format!("{}: downloading  [======                  ]  1MiB/4MiB  ", first.short());
        assert!(lines[0].starts_with(&line), "{}", lines[0]);
        assert!(lines[0].ends_with("s left"), "{}", lines[0]);
        assert_eq!(lines[1], format!("{}: already here", second.short()));
        board.take(&downloading(0, 4 << 20));
        board.take(&PullEvent::Verifying { layer: first.clone() });
        board.take(&PullEvent::Unpacking { layer: first.clone(), done: 3 << 20 });
        assert_eq!(board.shown(10, later)[0], format!("{}: unpacking  3MiB", first.short()));
        let said = board.note(&PullEvent::Done { layer: first.clone() });
        assert_eq!(said, Some(format!("{}: pulled (4MiB)\n", first.short())));
    }

    #[test]
    fn what_was_left_out_is_named_up_to_a_bound_and_counted() {
        let mut board = board(2);
        let entries = vec![Skipped { path: "dev/sda".into(), reason: SkipReason::Device }; 7];
        for number in 0..2 {
            board.take(&PullEvent::LeftOut { layer: digest(number), entries: entries.clone(), count: 500 });
        }
        assert_eq!((board.left_out.0.len(), board.left_out.1), (10, 1000));
    }

    #[test]
    fn many_layers_are_told_by_those_that_are_busy() {
        let mut board = board(40);
        board.take(&downloading(7, 1));
        board.take(&PullEvent::Present { layer: digest(0) });
        let lines = board.shown(5, Instant::now());
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with(digest(7).short()));
        assert_eq!(lines[1], "1 of 40 layers");
    }
}
