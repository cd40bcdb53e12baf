//! What became of a request at its replica, and what is learned from it.

use weir_attempt::{AttemptEnd, AttemptEvent};

/// What an answer, or the want of one, says of the replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It served the request: prefixes and times are learned from it.
    Served,
    /// It answered, but not with what was asked for, and that is the request's doing: nothing is learned.
    Declined,
    /// It failed.
    Failed,
}

impl Verdict {
    /// By status. 429 says that the replica takes no more for now. 501 and 505 are answers to requests that no
    /// replica would serve.
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Served,
            501 | 505 => Self::Declined,
            429 | 500.. => Self::Failed,
            _ => Self::Declined,
        }
    }

    /// Of what happened to an attempt; `None` if that says nothing, or nothing new.
    pub(crate) fn of_event(event: AttemptEvent) -> Option<Self> {
        match event {
            AttemptEvent::Headers(status) => Some(Self::of_status(status)),
            AttemptEvent::Ended(AttemptEnd::NoAnswer | AttemptEnd::Cut { .. }) => {
                Some(Self::Failed)
            }
            AttemptEvent::Ended(AttemptEnd::Answered(_) | AttemptEnd::Abandoned) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Declined, Failed, Served};

    #[test]
    fn statuses_are_the_replicas_doing_or_the_requests() {
        for (status, verdict) in [
            (200, Served),
            (204, Served),
            (302, Declined),
            (400, Declined),
            (404, Declined),
            (422, Declined),
            (429, Failed),
            (500, Failed),
            (501, Declined),
            (502, Failed),
            (503, Failed),
            (504, Failed),
            (505, Declined),
            (529, Failed),
            (0, Declined),
            (100, Declined),
        ] {
            assert_eq!(Verdict::of_status(status), verdict, "{status}");
        }
    }

    #[test]
    fn a_client_that_leaves_is_no_failure_and_each_failure_counts_once() {
        for (event, verdict) in [
            (AttemptEvent::Headers(500), Some(Failed)),
            (AttemptEvent::Ended(AttemptEnd::Answered(500)), None),
            (AttemptEvent::Ended(AttemptEnd::NoAnswer), Some(Failed)),
            (AttemptEvent::Ended(AttemptEnd::Cut { first_byte: true }), Some(Failed)),
            (AttemptEvent::Ended(AttemptEnd::Abandoned), None),
        ] {
            assert_eq!(Verdict::of_event(event), verdict, "{event:?}");
        }
    }
}
