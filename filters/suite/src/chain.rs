//! Several filters as one: `root_id: gateway` runs model-router, token-limit, guardrail and endpoint-picker in
//! one Envoy filter.
//!
//! Envoy enters the VM for each filter and each callback, about twenty times a request for two
//! filters; as one filter it does so half as often. The callbacks are passed on as Envoy would: the
//! next filter sees a request once the one before has let it go.

use weir_host::{Action, CallAnswer, HttpContext};

/// One stream through several filters.
pub(crate) struct Chain {
    /// In the order of the request.
    filters: Vec<Box<dyn HttpContext>>,
    /// The filter that the request has come to.
    at: usize,
    /// The filter that holds the response.
    holder: Option<usize>,
}

impl Chain {
    pub(crate) fn new(filters: Vec<Box<dyn HttpContext>>) -> Self {
        Self { filters, at: 0, holder: None }
    }

    /// Shows the request to the filters from `at` on, as headers, until one holds it.
    fn headers_from(&mut self, count: usize, end_of_stream: bool) -> Action {
        while let Some(filter) = self.filters.get_mut(self.at) {
            if filter.on_http_request_headers(count, end_of_stream) == Action::Pause {
                return Action::Pause;
            }
            self.at += 1;
        }
        Action::Continue
    }

    /// Goes on with what the filter that holds the request says of its body: `seen` shows it more.
    fn body_from(
        &mut self,
        end_of_stream: bool,
        mut seen: impl FnMut(&mut dyn HttpContext) -> Action,
    ) -> Action {
        while let Some(filter) = self.filters.get_mut(self.at) {
            if seen(filter.as_mut()) == Action::Pause {
                return Action::Pause;
            }
            // Let go: the next filter starts with the headers, and if it holds them, with what is
            // there of the body.
            self.at += 1;
            if self.headers_from(0, false) == Action::Continue {
                return Action::Continue;
            }
            if !end_of_stream {
                return Action::Pause;
            }
        }
        Action::Continue
    }
}

impl HttpContext for Chain {
    fn on_http_request_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        self.headers_from(count, end_of_stream)
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.body_from(end_of_stream, |filter| filter.on_http_request_body(size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, count: usize) -> Action {
        self.body_from(true, |filter| filter.on_http_request_trailers(count))
    }

    fn on_http_response_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        self.answer(|filter| filter.on_http_response_headers(count, end_of_stream))
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if !end_of_stream && let Some(action) = self.held_answer(size) {
            return action;
        }
        self.answer(|filter| filter.on_http_response_body(size, end_of_stream))
    }

    fn on_http_response_trailers(&mut self, count: usize) -> Action {
        self.answer(|filter| filter.on_http_response_trailers(count))
    }

    fn on_http_call_response(&mut self, answer: &CallAnswer) {
        // Whoever has asked knows the call's token.
        self.filters.iter_mut().for_each(|filter| filter.on_http_call_response(answer));
    }

    fn on_end(&mut self) {
        self.filters.iter_mut().for_each(|filter| filter.on_end());
    }
}

impl Chain {
    /// Shows the response to the filters in reverse order; notes who holds it.
    fn answer(&mut self, mut seen: impl FnMut(&mut dyn HttpContext) -> Action) -> Action {
        self.holder = None;
        for (index, filter) in self.filters.iter_mut().enumerate().rev() {
            if seen(filter.as_mut()) == Action::Pause {
                self.holder = Some(index);
            }
        }
        if self.holder.is_some() { Action::Pause } else { Action::Continue }
    }

    /// Shows a body that is held to the filter that holds it. Envoy shows all of such a body each
    /// time, so the others see it once, when it is complete.
    fn held_answer(&mut self, size: usize) -> Option<Action> {
        let filter = self.holder.and_then(|index| self.filters.get_mut(index))?;
        let action = filter.on_http_response_body(size, false);
        if action == Action::Continue {
            self.holder = None;
        }
        Some(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    type Log = Rc<RefCell<Vec<String>>>;

    /// Holds the request until its body is complete, or lets everything pass.
    struct Recorder {
        name: &'static str,
        holds: bool,
        log: Log,
    }

    impl Recorder {
        fn note(&self, what: &str, done: bool) -> Action {
            self.log.borrow_mut().push(format!("{} {what}", self.name));
            if self.holds && !done { Action::Pause } else { Action::Continue }
        }
    }

    impl HttpContext for Recorder {
        fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
            self.note("headers", end)
        }

        fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
            self.note(&format!("body {size}"), end)
        }

        fn on_http_request_trailers(&mut self, _: usize) -> Action {
            self.note("trailers", true)
        }

        fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
            self.note("answer headers", false)
        }

        fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
            self.note(&format!("answer {size}"), end)
        }
    }

    fn chain(holds: [bool; 2]) -> (Chain, Log) {
        let log = Log::default();
        let recorder = |name, holds| -> Box<dyn HttpContext> {
            Box::new(Recorder { name, holds, log: Rc::clone(&log) })
        };
        let [a, b] = holds;
        (Chain::new(vec![recorder("a", a), recorder("b", b)]), log)
    }

    #[test]
    fn the_second_filter_sees_the_request_when_the_first_lets_it_go() {
        let (mut chain, log) = chain([true, false]);
        assert_eq!(chain.on_http_request_headers(1, false), Action::Pause);
        assert_eq!(chain.on_http_request_body(3, false), Action::Pause);
        assert_eq!(chain.on_http_request_body(5, true), Action::Continue);
        assert_eq!(*log.borrow(), ["a headers", "a body 3", "a body 5", "b headers"]);
    }

    #[test]
    fn a_second_filter_that_holds_gets_the_whole_body() {
        let (mut chain, log) = chain([true, true]);
        chain.on_http_request_headers(1, false);
        chain.on_http_request_body(3, false);
        assert_eq!(chain.on_http_request_body(5, true), Action::Continue);
        let expected = ["a headers", "a body 3", "a body 5", "b headers", "b body 5"];
        assert_eq!(*log.borrow(), expected);
    }

    #[test]
    fn trailers_end_a_body_that_did_not_say_so() {
        let (mut chain, log) = chain([true, false]);
        chain.on_http_request_headers(1, false);
        chain.on_http_request_body(3, false);
        assert_eq!(chain.on_http_request_trailers(1), Action::Continue);
        assert_eq!(log.borrow().last().unwrap(), "b headers");
    }

    #[test]
    fn filters_that_hold_nothing_see_headers_in_order_and_answers_in_reverse() {
        let (mut chain, log) = chain([false, false]);
        assert_eq!(chain.on_http_request_headers(1, true), Action::Continue);
        assert_eq!(chain.on_http_response_body(1, true), Action::Continue);
        assert_eq!(*log.borrow(), ["a headers", "b headers", "b answer 1", "a answer 1"]);
    }

    #[test]
    fn a_body_that_one_filter_holds_is_shown_to_the_others_once_when_it_is_complete() {
        let (mut chain, log) = chain([true, false]);
        assert_eq!(chain.on_http_response_headers(1, false), Action::Pause);
        assert_eq!(chain.on_http_response_body(3, false), Action::Pause);
        assert_eq!(chain.on_http_response_body(5, false), Action::Pause);
        assert_eq!(chain.on_http_response_body(9, true), Action::Continue);
        let expected = [
            "b answer headers",
            "a answer headers",
            "a answer 3",
            "a answer 5",
            "b answer 9",
            "a answer 9",
        ];
        assert_eq!(*log.borrow(), expected);
    }
}
