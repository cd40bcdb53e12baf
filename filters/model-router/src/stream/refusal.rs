//! Answers in place of service.

use weir_host::{Action, Host, LogLevel};
use weir_request::{respond, respond_with};
use weir_wire::error::ErrorReply;
use weir_wire::path::Dialect;

use super::{Phase, Request, Stream};
use crate::decision::Refused;
use crate::effects;
use crate::shared::Shared;

/// `%RESPONSE_CODE_DETAILS%` of what is answered from here.
const DETAILS: &str = "weir_model_router";

impl<H: Host> Stream<H> {
    /// Answers a request that was decided to go nowhere.
    pub(super) fn refuse_decided(
        &mut self,
        shared: &Shared,
        request: &Request,
        refused: &Refused,
    ) -> Action {
        effects::leave_refused(&self.host, refused, shared.state_keys);
        if let Some(degraded) = &refused.degraded {
            shared.degradation.note(&self.host, &shared.busy, degraded);
        }
        let headers = effects::headers_of(refused, request.policy.show_degraded);
        let dialect = request.endpoint.dialect;
        respond_with(&self.host, dialect, &refused.reply, &headers, DETAILS);
        self.refused()
    }

    /// What went wrong is no business of the client's.
    pub(super) fn failed(&mut self, dialect: Dialect, error: &dyn std::error::Error) -> Action {
        self.host.log(LogLevel::Error, &format!("weir.model-router: {error}"));
        self.refuse(dialect, &ErrorReply::misconfigured())
    }

    pub(super) fn refuse(&mut self, dialect: Dialect, error: &ErrorReply) -> Action {
        respond(&self.host, dialect, error, DETAILS);
        self.refused()
    }

    pub(super) fn refused(&mut self) -> Action {
        if let Some(shared) = &self.shared {
            shared.rejected.increment(&self.host);
        }
        self.share = None;
        self.phase = Phase::Refused;
        Action::Pause
    }
}
