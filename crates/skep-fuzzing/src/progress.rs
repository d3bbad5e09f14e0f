//! How far a long run is: a bar on a terminal, elsewhere a line now and then. On standard error.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(15);

/// Progress through a number of programs.
pub struct Progress {
    count: u64,
    start: Instant,
    /// Where there is no terminal: when the last line was written.
    lines: Option<Instant>,
    bar: ProgressBar,
}

impl Progress {
    /// Nothing is done yet.
    pub fn new(count: u64) -> Progress {
        let terminal = stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(count), target);
        let template = "[{bar:40}] {human_pos}/{human_len} programs, {per_sec}, {msg}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let start = Instant::now();
        Progress { count, start, lines: (!terminal).then_some(start), bar }
    }

    /// So many programs are done.
    pub fn at(&mut self, done: u64, findings: usize) {
        if let Some(last) = &mut self.lines {
            if last.elapsed() >= PAUSE {
                *last = Instant::now();
                eprintln!("{}", line(done, self.count, findings, self.start.elapsed()));
            }
            return;
        }
        self.bar.set_position(done);
        if done.is_multiple_of(256) {
            self.bar.set_message(format!("{findings} findings"));
        }
    }

    /// Something to be read now.
    pub fn say(&self, what: &str) {
        self.bar.suspend(|| eprintln!("{what}"));
    }

    /// The bar goes away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn line(done: u64, count: u64, findings: usize, elapsed: Duration) -> String {
    let rate = done as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    let left = count.saturating_sub(done) as f64 / rate.max(f64::MIN_POSITIVE);
    let percent = 100 * done / count.max(1);
    format!("{done} of {count} programs ({percent} %), {rate:.0} per second, {findings} findings, {left:.0} s left")
}

#[cfg(test)]
mod tests {
    use super::line;
    use std::time::Duration;

    #[test]
    fn a_line_says_how_much_is_left() {
        assert_eq!(
            line(250, 1000, 3, Duration::from_secs(10)),
            "250 of 1000 programs (25 %), 25 per second, 3 findings, 30 s left"
        );
        assert_eq!(line(0, 0, 0, Duration::ZERO), "0 of 0 programs (0 %), 0 per second, 0 findings, 0 s left");
    }
}
