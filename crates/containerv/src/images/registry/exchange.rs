//! A request and its answer: tokens, redirects, and further tries.

use std::io::{self, Cursor, Read};
use std::thread;
use std::time::SystemTime;

use ureq::http::{HeaderMap, Method, Request};
use ureq::{Body, SendBody};

use super::authorization::Purpose;
use super::endpoint::Endpoint;
use super::failure::{Broken, MAX_EXPLANATION, Refusal, printable};
use super::location::Location;
use super::patience::retry_after;
use crate::{Error, ErrorKind, Result};

/// Most redirects that are followed.
const MAX_REDIRECTS: u32 = 10;
/// How often a registry may ask who we are about one request: for a token, and for a newer one.
const MAX_CHALLENGES: u32 = 2;

/// Opens a body of a request, as often as it is sent.
pub(super) type Opener<'a> = dyn Fn() -> io::Result<Box<dyn Read + Send>> + 'a;

/// A body of a request.
pub(super) enum Payload<'a> {
    Nothing,
    Bytes(Vec<u8>),
    Stream { length: u64, open: &'a Opener<'a> },
}

impl Payload<'_> {
    fn body(&self) -> io::Result<(SendBody<'static>, Option<u64>)> {
        Ok(match self {
            Self::Nothing => (SendBody::none(), None),
            Self::Bytes(bytes) => {
                (SendBody::from_owned_reader(Cursor::new(bytes.clone())), Some(bytes.len() as u64))
            }
            Self::Stream { length, open } => (SendBody::from_owned_reader(open()?), Some(*length)),
        })
    }
}

/// A request.
pub(super) struct Asked<'a> {
    pub(super) method: Method,
    pub(super) location: Location,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) payload: Payload<'a>,
    /// What it is for, in words that follow `cannot`.
    pub(super) action: &'a str,
    /// Tries; none for as many as the settings say.
    pub(super) tries: Option<u32>,
}

impl<'a> Asked<'a> {
    pub(super) fn get(location: Location, action: &'a str) -> Self {
        let (headers, payload) = (Vec::new(), Payload::Nothing);
        Self { method: Method::GET, location, headers, payload, action, tries: None }
    }
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// Who has answered.
    pub(super) location: Location,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Refuses an answer with another status; `known` says whether there were credentials.
    pub(super) fn expect(self, statuses: &[u16], action: &str, registry: &str, known: bool) -> Result<Self> {
        if statuses.contains(&self.status) {
            return Ok(self);
        }
        Err(self.refusal().error(action, registry, known))
    }

    pub(super) fn refusal(mut self) -> Refusal {
        let mut body = Vec::new();
        // An explanation that cannot be read is none.
        let _ = self.body.as_reader().take(MAX_EXPLANATION).read_to_end(&mut body);
        Refusal::new(self.status, &body)
    }

    /// Reads a body that may be this long.
    pub(super) fn bytes(mut self, limit: u64, action: &str, registry: &str) -> Result<Vec<u8>> {
        let too_large = || {
            Error::new(
                ErrorKind::Corrupt,
                format!("cannot {action}: {registry} answers with more than {limit} bytes"),
            )
            .with_hint("tell whoever runs the registry")
        };
        let length = self.header("content-length").and_then(|length| length.parse::<u64>().ok());
        if length.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        let read = self.body.as_reader().take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|error| Broken::of_io(&error).error(action, registry))?;
        if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
    }
}

impl Endpoint {
    /// Sends a request to the server, with what it asks for to let us in, and again if it or the network fails.
    pub(super) fn send(&self, asked: &Asked<'_>, purpose: Purpose<'_>) -> Result<Answer> {
        self.persist(asked, Some(purpose))
    }

    /// The same without a token, as to the server that gives them.
    pub(super) fn send_without_token(&self, asked: &Asked<'_>) -> Result<Answer> {
        self.persist(asked, None)
    }

    /// Reads a whole answer, and asks again when it is cut off.
    pub(super) fn read(
        &self,
        asked: &Asked<'_>,
        purpose: Purpose<'_>,
        limit: u64,
    ) -> Result<(HeaderMap, Location, Vec<u8>)> {
        let mut attempt = 1;
        loop {
            let answer = self.send(asked, purpose)?;
            let known = answer.status != 200 && self.authorizer.known(purpose.repository);
            let answer = answer.expect(&[200], asked.action, &self.registry, known)?;
            let (headers, location) = (answer.headers.clone(), answer.location.clone());
            match answer.bytes(limit, asked.action, &self.registry) {
                Ok(bytes) => return Ok((headers, location, bytes)),
                Err(error) if error.kind() == ErrorKind::Corrupt || attempt >= self.patience.attempts => {
                    return Err(error);
                }
                Err(_) => attempt += 1,
            }
            thread::sleep(self.patience.delay(attempt, None).unwrap_or_default());
        }
    }

    fn persist(&self, asked: &Asked<'_>, purpose: Option<Purpose<'_>>) -> Result<Answer> {
        let attempts = asked.tries.unwrap_or(self.patience.attempts).max(1);
        let mut attempt = 1;
        loop {
            let result = self.follow(asked, purpose);
            let wanted = match &result {
                Ok(answer) if matches!(answer.status, 408 | 429 | 500 | 502 | 503 | 504) => {
                    Some(answer.header("retry-after").and_then(|value| retry_after(value, SystemTime::now())))
                }
                Err(Stopped::Broken(broken)) if broken.again && (!broken.absent || self.is_reached()) => {
                    Some(None)
                }
                _ => None,
            };
            attempt += 1;
            let delay =
                wanted.filter(|_| attempt <= attempts).and_then(|asked| self.patience.delay(attempt, asked));
            match (delay, result) {
                (Some(delay), _) => thread::sleep(delay),
                (None, Ok(answer)) => return Ok(answer),
                (None, Err(Stopped::Broken(broken))) => {
                    return Err(broken.error(asked.action, &self.registry));
                }
                (None, Err(Stopped::Failed(error))) => return Err(error),
            }
        }
    }

    fn follow(&self, asked: &Asked<'_>, purpose: Option<Purpose<'_>>) -> Result<Answer, Stopped> {
        let mut location = asked.location.clone();
        let mut redirects = 0;
        loop {
            let answer = self.challenge(asked, &location, purpose)?;
            let repeatable = match answer.status {
                301..=303 => matches!(asked.method, Method::GET | Method::HEAD),
                307 | 308 => matches!(asked.payload, Payload::Nothing),
                _ => false,
            };
            let Some(next) = answer.header("location").filter(|_| repeatable) else { return Ok(answer) };
            redirects += 1;
            location = self.redirected(&answer.location, next, redirects, asked.action)?;
        }
    }

    fn redirected(&self, from: &Location, to: &str, number: u32, action: &str) -> Result<Location, Stopped> {
        let refuse = |why: String, hint: &str| {
            let message = format!("cannot {action}: {} {why}", self.registry);
            Stopped::Failed(Error::new(ErrorKind::Unavailable, message).with_hint(hint))
        };
        if number > MAX_REDIRECTS {
            let why = format!("sends its clients from place to place, more than {MAX_REDIRECTS} times");
            return Err(refuse(why, "tell whoever runs the registry"));
        }
        let next = from.join(to).ok_or_else(|| {
            refuse(format!("sends to `{}`, which is no URL", printable(to)), "tell whoever runs it")
        })?;
        if from.https && !next.https {
            let why = format!("sends to `{}`, which is without TLS", next.origin());
            return Err(refuse(why, "tell whoever runs the registry"));
        }
        Ok(next)
    }

    /// Sends a request to one place, with a token if that is the registry itself and asks for one.
    fn challenge(
        &self,
        asked: &Asked<'_>,
        location: &Location,
        purpose: Option<Purpose<'_>>,
    ) -> Result<Answer, Stopped> {
        let purpose = purpose.filter(|_| self.is_own(location));
        let mut token = match purpose {
            Some(purpose) => self.authorizer.header(self, purpose).map_err(Stopped::Failed)?,
            None => None,
        };
        let mut challenges = 0;
        loop {
            let answer = self.once(asked, location, token.as_deref())?;
            let Some(purpose) = purpose.filter(|_| answer.status == 401 && challenges < MAX_CHALLENGES)
            else {
                return Ok(answer);
            };
            challenges += 1;
            let all = answer.headers.get_all("www-authenticate");
            let headers: Vec<&str> = all.iter().filter_map(|value| value.to_str().ok()).collect();
            let next = self
                .authorizer
                .refused(self, &headers, purpose, token.as_deref())
                .map_err(Stopped::Failed)?;
            match next {
                Some(next) => token = Some(next),
                None => return Ok(answer),
            }
        }
    }

    fn once(&self, asked: &Asked<'_>, location: &Location, token: Option<&str>) -> Result<Answer, Stopped> {
        let own = self.is_own(location);
        let transport = if own { &self.own } else { &self.others };
        let send = |location: &Location| {
            transport.run(location, &mut || self.request(asked, location, token.filter(|_| own), own))
        };
        let (location, plain) = self.ways(location);
        let (location, response) = match (send(&location), plain) {
            (Err(broken), Some(plain)) if broken.no_tls => {
                let response = send(&plain).map_err(Stopped::Broken)?;
                (plain, response)
            }
            (result, _) => (location, result.map_err(Stopped::Broken)?),
        };
        if own {
            self.answered(&location);
        }
        let (parts, body) = response.into_parts();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body, location })
    }

    fn request(
        &self,
        asked: &Asked<'_>,
        location: &Location,
        token: Option<&str>,
        own: bool,
    ) -> io::Result<Request<SendBody<'static>>> {
        let (body, length) = asked.payload.body()?;
        let mut request = Request::builder().method(asked.method.clone()).uri(location.url());
        // What is for the registry alone stays there; the authorization server gets its own.
        let shared = |name: &str| own || name != "authorization" || location.same_origin(&asked.location);
        for (name, value) in asked.headers.iter().filter(|(name, _)| shared(name)) {
            request = request.header(*name, value);
        }
        for (name, value) in self.headers.iter().filter(|_| own) {
            request = request.header(name, value);
        }
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        match length {
            Some(length) => request = request.header("content-length", length),
            None if asked.method == Method::POST || asked.method == Method::PUT => {
                request = request.header("content-length", 0);
            }
            None => {}
        }
        request.body(body).map_err(io::Error::other)
    }
}

/// Why there is no answer.
enum Stopped {
    Broken(Broken),
    Failed(Error),
}
