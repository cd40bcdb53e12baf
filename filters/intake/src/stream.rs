//! One request to the intake listener.

use std::rc::Rc;

use weir_host::{Action, Body, HeaderMap, Host, HttpContext};
use weir_settings::intake::Trust;
use weir_snapshot::signature::{
    self, CHALLENGE_HEADER, HEADER, PATH, SPENDING_HEADER, TIME_HEADER,
};
use weir_snapshot::{
    Accepted, FleetNews, Invalid, ReadError, Refusal, RefusalCode, SnapshotMessage, SpendingSeen,
    view_json,
};

use crate::limits::limits_json;
use crate::shared::Shared;
use crate::{challenge, fleet, prefixes, spending, store};

/// Where what was spent of limits is shown.
const LIMITS_PATH: &str = "/weir/v1/limits";

const NS_PER_S: u64 = 1_000_000_000;

pub(crate) struct Stream<H: Host> {
    host: H,
    context_id: u32,
    /// `None` when the configuration was refused: every request then fails.
    shared: Option<Rc<Shared>>,
    answered: bool,
}

/// What the headers ask for.
enum Wanted {
    Views,
    Limits,
    Push,
}

impl<H: Host> Stream<H> {
    pub(crate) fn new(host: H, context_id: u32, shared: Option<Rc<Shared>>) -> Self {
        Self { host, context_id, shared, answered: false }
    }

    fn wanted(&self) -> Result<Wanted, Refusal> {
        let path = self.header(":path").unwrap_or_default();
        let path = path.split(|&byte| byte == b'?').next().unwrap_or_default();
        let limits = path == LIMITS_PATH.as_bytes();
        if path != PATH.as_bytes() && !limits {
            let problem = format!("path: must be {PATH} or {LIMITS_PATH}");
            return Err(Refusal::new(RefusalCode::NotFound, problem));
        }
        match self.header(":method").unwrap_or_default().as_slice() {
            b"GET" if limits => Ok(Wanted::Limits),
            b"GET" => Ok(Wanted::Views),
            b"POST" if !limits => Ok(Wanted::Push),
            _ => Err(Refusal::new(RefusalCode::MethodNotAllowed, "method: must be GET or POST")),
        }
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.host.header(HeaderMap::Request, name).ok().flatten()
    }

    fn limit(&self) -> usize {
        let limit = self.shared.as_ref().map_or(0, |shared| shared.settings.max_body_bytes);
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    fn check_size(&self, size: usize) -> Result<(), Refusal> {
        let limit = self.limit();
        if size <= limit {
            return Ok(());
        }
        Err(Refusal::new(RefusalCode::TooLarge, format!("body: more than {limit} bytes")))
    }

    /// Checks and stores a whole push.
    fn push(&self, shared: &Shared, body: &[u8]) -> Result<Accepted, Refusal> {
        self.check_size(body.len())?;
        if let Trust::Signed(key) = &shared.settings.trust {
            self.check_push(shared, key, body)?;
        }
        let message = SnapshotMessage::parse(body).map_err(|error| Refusal::from(&error))?;
        let news = FleetNews::parse(&message.fleet);
        if news.is_none() && !message.fleet.is_empty() {
            return Err(Refusal::from(&ReadError::from(Invalid::Fleet)));
        }
        let slot = store::put(&self.host, &message, &shared.undecodable)?;
        if let Some(news) = &news {
            let gone = fleet::take(&self.host, &shared.undecodable, news);
            shared.count_gone(&self.host, gone);
        }
        let feedback = store::feedback(&self.host, slot, &message);
        let mut reply = Accepted::new(&message, feedback);
        shared.known_pools.borrow_mut().tell(&self.host, &shared.undecodable, &mut reply);
        let seen = self.header(SPENDING_HEADER).and_then(|seen| SpendingSeen::parse(&seen));
        spending::tell(&self.host, &shared.undecodable, seen, &mut reply);
        let fleet = (&shared.fleet_turn, news.is_some(), message.prefixes.is_some());
        fleet::tell(&self.host, &shared.undecodable, fleet, &mut reply);
        let counted = (&shared.undecodable, &shared.missed);
        prefixes::exchange(&self.host, counted, (slot, &message), &mut reply);
        Ok(reply)
    }

    fn check_push(&self, shared: &Shared, key: &[u8], body: &[u8]) -> Result<(), Refusal> {
        let signed = self.header(HEADER);
        let Some(given) = self.header(CHALLENGE_HEADER) else {
            return Err(match signed {
                None => signature::SignatureError::Missing.into(),
                Some(_) => Refusal::without_challenge(),
            });
        };
        signature::verify_push(key, &given, body, signed.as_deref())?;
        let current = challenge::current(&self.host, &shared.undecodable)?;
        if given == current.as_bytes() { Ok(()) } else { Err(Refusal::challenge(current)) }
    }

    /// The current views, or what was spent of limits, for those who may look.
    fn look(&self, wanted: &Wanted) -> Result<Vec<u8>, Refusal> {
        let shared = self.configured()?;
        let now_ns = self.host.now_ns();
        let limits = matches!(wanted, Wanted::Limits);
        let path = if limits { LIMITS_PATH } else { PATH };
        if let Trust::Signed(key) = &shared.settings.trust {
            let (time, signed) = (self.header(TIME_HEADER), self.header(HEADER));
            let headers = (time.as_deref(), signed.as_deref());
            signature::verify_look(key, path, headers, now_ns / NS_PER_S)
                .map_err(Refusal::from)
                .inspect_err(|refusal| shared.count_refused_look(&self.host, refusal))?;
        }
        if limits {
            return Ok(limits_json(&self.host, &shared.undecodable));
        }
        Ok(view_json(&store::views(&self.host, &shared.undecodable), now_ns))
    }

    fn configured(&self) -> Result<Rc<Shared>, Refusal> {
        let missing = || Refusal::new(RefusalCode::Unavailable, "not configured");
        self.shared.clone().ok_or_else(missing)
    }

    fn answer(&mut self, result: Result<Vec<u8>, Refusal>) -> Action {
        match result {
            Ok(body) => reply(&self.host, 200, &body),
            Err(refusal) => refuse(&self.host, &refusal),
        }
        self.answered = true;
        Action::Pause
    }

    fn finish_push(&mut self, size: usize) -> Action {
        let body = self.host.body(Body::Request, 0, size).unwrap_or_default();
        let result = self.configured().and_then(|shared| {
            let result = self.push(&shared, &body);
            shared.count_push(&self.host, result.as_ref().err());
            result
        });
        self.answer(result.map(|accepted| accepted.to_json()))
    }
}

/// Answers with a refusal.
pub(crate) fn refuse<H: Host>(host: &H, refusal: &Refusal) {
    reply(host, refusal.status(), &refusal.to_json());
}

fn reply<H: Host>(host: &H, status: u16, body: &[u8]) {
    let json: &[u8] = b"application/json";
    // Nothing better can be done when even the reply fails.
    let _ = host.reply(status, &[("content-type", json)], body, "weir_intake");
}

impl<H: Host> HttpContext for Stream<H> {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        match self.wanted() {
            Err(refusal) => self.answer(Err(refusal)),
            Ok(wanted @ (Wanted::Views | Wanted::Limits)) => {
                let shown = self.look(&wanted);
                self.answer(shown)
            }
            Ok(Wanted::Push) if end_of_stream => self.finish_push(0),
            Ok(Wanted::Push) => {
                if let Some(shared) = &self.shared {
                    shared.probe.paused(&self.host, self.context_id);
                }
                Action::Pause
            }
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if self.answered {
            return Action::Pause;
        }
        if let Some(shared) = &self.shared {
            shared.probe.body_arrived(&self.host);
        }
        match self.check_size(size) {
            Err(refusal) => self.answer(Err(refusal)),
            Ok(()) if end_of_stream => self.finish_push(size),
            Ok(()) => Action::Pause,
        }
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        if self.answered { Action::Pause } else { self.finish_push(self.limit()) }
    }
    fn on_end(&mut self) {
        if let Some(shared) = &self.shared {
            shared.probe.ended(self.context_id);
        }
    }
}
