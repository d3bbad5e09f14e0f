//! From segments to requests: URLs put together from the pieces that the program passes on.

use std::collections::HashMap;
use std::time::Duration;

use crate::segment::{Flow, Segment};

/// Longest URL that is put together, in bytes; the program stops there too.
const URL_MAX: usize = 8192;
/// After so many packets, sessions are looked through.
const LOOK_EVERY: u64 = 50;
/// A session that has been silent for longer than this is given up.
const SILENCE: Duration = Duration::from_secs(30);

const METHODS: &[&str] = &["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"];

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its URL is whole.
    Whole,
    /// The rest of its URL never came, or is not asked for.
    Silent,
    /// Its URL is longer than [`URL_MAX`].
    TooLong,
    /// Its URL goes on in packets that this version does not see.
    Cut,
}

/// A request, with as much of its URL as is known.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) url: Vec<u8>,
    pub(crate) end: End,
}

/// A request whose URL is still coming.
struct Session {
    method: &'static str,
    url: Vec<u8>,
    /// Of the byte that must come next.
    sequence: u32,
    last_seen: Duration,
}

/// All requests that are still coming in.
pub(crate) struct Requests {
    sessions: HashMap<Flow, Session>,
    /// Whether the program passes on what follows a request's first packet.
    follow: bool,
    packets: u64,
}

impl Requests {
    /// None yet. `follow`: the program passes on all packets of a URL, not only the first.
    pub(crate) fn new(follow: bool) -> Requests {
        Requests { sessions: HashMap::new(), follow, packets: 0 }
    }

    /// Takes a packet that came at `now` and gives the request that it completes.
    pub(crate) fn packet(&mut self, segment: &Segment<'_>, now: Duration) -> Option<Request> {
        self.packets += 1;
        let continues = self.sessions.get(&segment.flow).is_some_and(|session| session.sequence == segment.sequence);
        let started = if continues { None } else { Some(start(segment)?) };
        let known = self.sessions.remove(&segment.flow);
        let (mut session, more) = match started {
            Some(started) => started,
            None => (known?, segment.payload),
        };
        let end = more.iter().position(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
        session.url.extend_from_slice(&more[..end.unwrap_or(more.len())]);
        let end = match end {
            Some(_) if session.url.len() <= URL_MAX => End::Whole,
            None if !self.follow => End::Cut,
            None if session.url.len() <= URL_MAX => {
                session.sequence = segment.sequence.wrapping_add(segment.payload.len() as u32);
                session.last_seen = now;
                self.sessions.insert(segment.flow, session);
                return None;
            }
            _ => End::TooLong,
        };
        Some(session.finish(end))
    }

    /// Every fifty packets: gives up sessions that have been silent for too long.
    pub(crate) fn expire(&mut self, now: Duration) -> Vec<(Flow, Request)> {
        if self.packets == 0 || !self.packets.is_multiple_of(LOOK_EVERY) {
            return Vec::new();
        }
        let silent = self.sessions.extract_if(|_, session| now.saturating_sub(session.last_seen) > SILENCE);
        silent.map(|(flow, session)| (flow, session.finish(End::Silent))).collect()
    }

    /// How many are still coming.
    pub(crate) fn waiting(&self) -> usize {
        self.sessions.len()
    }
}

impl Session {
    fn finish(self, end: End) -> Request {
        Request { method: self.method, url: self.url, end }
    }
}

/// A session that begins with this segment, and what follows the method in it.
fn start<'a>(segment: &Segment<'a>) -> Option<(Session, &'a [u8])> {
    let method = METHODS.iter().find_map(|method| {
        let rest = segment.payload.strip_prefix(method.as_bytes())?.strip_prefix(b" ")?;
        Some((*method, rest))
    });
    let (method, rest) = method?;
    Some((Session { method, url: Vec::new(), sequence: 0, last_seen: Duration::ZERO }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Flow {
        zerocopy::FromZeros::new_zeroed()
    }

    fn feed(requests: &mut Requests, sequence: u32, payload: &[u8], seconds: u64) -> Option<Request> {
        requests.packet(&Segment { flow: flow(), sequence, payload }, Duration::from_secs(seconds))
    }

    #[test]
    fn pieces_are_put_together_in_order_only() {
        let mut requests = Requests::new(true);
        assert!(feed(&mut requests, 10, b"GET /a", 0).is_none());
        assert!(feed(&mut requests, 16, b"/b", 0).is_none());
        let whole = feed(&mut requests, 18, b"/c HTTP/1.1\r\n", 0).expect("the URL ends here");
        assert_eq!((whole.method, whole.url.as_slice(), whole.end), ("GET", &b"/a/b/c"[..], End::Whole));
        assert!(feed(&mut requests, 18, b"/c HTTP/1.1\r\n", 0).is_none(), "a retransmission starts nothing");
    }

    #[test]
    fn a_sequence_number_may_wrap() {
        let mut requests = Requests::new(true);
        assert!(feed(&mut requests, u32::MAX - 2, b"PUT /x", 0).is_none());
        assert_eq!(feed(&mut requests, 3, b"y ", 0).expect("whole").url, b"/xy");
    }

    #[test]
    fn urls_end_at_the_limit() {
        for (len, end) in [(URL_MAX, End::Whole), (URL_MAX + 1, End::TooLong)] {
            let mut requests = Requests::new(true);
            let text = format!("GET {} HTTP/1.1\r\n", "/".repeat(len));
            let (first, second) = text.as_bytes().split_at(1400);
            assert!(feed(&mut requests, 0, first, 0).is_none());
            assert_eq!(feed(&mut requests, 1400, second, 0).expect("ends").end, end);
        }
    }

    #[test]
    fn silence_ends_a_session_at_the_fiftieth_packet() {
        let mut requests = Requests::new(true);
        assert!(feed(&mut requests, 0, b"GET /slow", 0).is_none());
        for n in 2..50 {
            requests.packet(&Segment { flow: flow_two(), sequence: n, payload: b"GET / " }, Duration::from_secs(31));
            assert!(requests.expire(Duration::from_secs(31)).is_empty(), "not before");
        }
        requests.packet(&Segment { flow: flow_two(), sequence: 50, payload: b"GET / " }, Duration::from_secs(31));
        let expired = requests.expire(Duration::from_secs(31));
        assert_eq!(expired.len(), 1);
        assert_eq!(expired[0].1.end, End::Silent);
        assert_eq!(requests.waiting(), 0);
    }

    fn flow_two() -> Flow {
        zerocopy::FromBytes::read_from_bytes(&[1; 36]).expect("36 bytes")
    }
}
