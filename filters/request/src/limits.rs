//! What the router asks before it lets a request go, where filters run as one.
//!
//! Whether a request fits into its limits is part of the router's one decision, because a limit may ask
//! for another model. So the router asks whoever limits before it edits anything, and the body is edited
//! once.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use weir_wire::facts::Facts;
use weir_wire::response::ResponseMeter;

use crate::{RequestHead, Route};

/// A request that asks to be let go.
pub struct Applicant<'a> {
    /// The stream's context.
    pub context_id: u32,
    /// What its body says, and where it would go.
    pub facts: &'a Facts,
    /// Its headers as they came.
    pub head: &'a RequestHead,
    /// What its route says.
    pub route: &'a Route,
    /// Whether its replica could be asked for usage that the client did not ask for.
    pub can_ask_usage: bool,
    /// Whether it has been given another model already in place of a refusal.
    pub downgraded: bool,
}

/// What becomes of it.
pub enum Verdict {
    /// It may go on.
    Go {
        /// Whether its replica is to be asked for the usage.
        asks_usage: bool,
        /// Who is to be fed with its response; `None` if nobody counts it.
        meter: Option<Rc<Meter>>,
    },
    /// It may ask again with this model.
    Downgrade(String),
    /// It was answered.
    Refused,
}

/// Whoever limits what is spent.
pub trait Limits {
    /// Decides about a request. What is let go is held for the stream until it has ended.
    fn admit(&self, applicant: &Applicant<'_>) -> Verdict;
}

/// Counts what a response uses. Whoever reads the response first feeds it, and the others need not.
#[derive(Debug, Default)]
pub struct Meter {
    meter: RefCell<ResponseMeter>,
    fed: Cell<bool>,
}

impl Meter {
    /// Takes the next bytes of the body.
    pub fn feed(&self, chunk: &[u8]) {
        self.meter.borrow_mut().feed(chunk);
        self.fed.set(true);
    }

    /// Whether it was fed since this was asked last.
    pub fn take_fed(&self) -> bool {
        self.fed.take()
    }

    /// Looks at what was counted.
    pub fn look<R>(&self, look: impl FnOnce(&ResponseMeter) -> R) -> R {
        look(&self.meter.borrow())
    }
}
