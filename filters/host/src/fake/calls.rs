//! The calls, as a filter makes them.

use super::{FakeHost, LocalReply, SentCall};
use crate::turn::{Switch, Turn};
use crate::{
    Body, Call, CallToken, Config, Direction, HeaderBlock, HeaderMap, Headers, Host, HostError,
    LogLevel, MetricKind,
};

impl Host for FakeHost {
    fn log(&self, level: LogLevel, message: &str) {
        self.0.borrow_mut().logs.push((level, message.to_owned()));
    }

    fn now_ns(&self) -> u64 {
        self.0.borrow().now_ns
    }

    fn set_tick_ms(&self, millis: u32) -> Result<(), HostError> {
        self.0.borrow_mut().tick_ms = millis;
        Ok(())
    }

    fn configuration(&self, which: Config) -> Vec<u8> {
        self.0.borrow().config.get(&(which as u32)).cloned().unwrap_or_default()
    }

    fn header(&self, map: HeaderMap, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        self.with_headers(map, |pairs| {
            let values: Vec<&[u8]> =
                pairs.iter().filter(|(key, _)| key == name).map(|(_, v)| v.as_slice()).collect();
            (!values.is_empty()).then(|| values.join(&b","[..]))
        })
    }

    fn headers(&self, map: HeaderMap) -> Result<Headers, HostError> {
        self.with_headers(map, |pairs| {
            pairs.iter().map(|(key, value)| (key.clone().into_bytes(), value.clone())).collect()
        })
    }

    fn header_block(&self, map: HeaderMap) -> HeaderBlock {
        let headers = self.with_headers(map, |pairs| pairs.clone()).unwrap_or_default();
        let pairs: Vec<(&str, &[u8])> =
            headers.iter().map(|(key, value)| (key.as_str(), value.as_slice())).collect();
        HeaderBlock::new(crate::pairs::encode(&pairs))
    }

    fn set_header(&self, map: HeaderMap, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.with_headers(map, |pairs| {
            pairs.retain(|(key, _)| key != name);
            pairs.push((name.to_owned(), value.to_vec()));
        })?;
        self.note_mutation(map);
        Ok(())
    }

    fn add_header(&self, map: HeaderMap, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.with_headers(map, |pairs| pairs.push((name.to_owned(), value.to_vec())))?;
        self.note_mutation(map);
        Ok(())
    }

    fn remove_header(&self, map: HeaderMap, name: &str) -> Result<(), HostError> {
        self.with_headers(map, |pairs| pairs.retain(|(key, _)| key != name))?;
        self.note_mutation(map);
        Ok(())
    }

    fn body(&self, which: Body, start: usize, len: usize) -> Result<Vec<u8>, HostError> {
        let state = self.0.borrow();
        if which == Body::CallAnswer && !state.bodies.contains_key(&which) {
            return Err(HostError::BadArgument);
        }
        let body = state.bodies.get(&which).map_or(&[][..], Vec::as_slice);
        let end = start.saturating_add(len).min(body.len());
        Ok(body.get(start..end).unwrap_or_default().to_vec())
    }

    fn replace_body_front(&self, which: Body, len: usize, bytes: &[u8]) -> Result<(), HostError> {
        let mut state = self.0.borrow_mut();
        let body = state.bodies.entry(which).or_default();
        let cut = len.min(body.len());
        body.splice(..cut, bytes.iter().copied());
        Ok(())
    }

    fn append_body(&self, which: Body, bytes: &[u8]) -> Result<(), HostError> {
        self.0.borrow_mut().bodies.entry(which).or_default().extend_from_slice(bytes);
        Ok(())
    }

    fn property(&self, path: &[&str]) -> Result<Option<Vec<u8>>, HostError> {
        let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        Ok(self.0.borrow().properties.get(&path).cloned())
    }

    fn set_state(&self, key: &str, value: &[u8]) -> Result<(), HostError> {
        self.set_property(&[key], value);
        Ok(())
    }

    fn shared(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, HostError> {
        Ok(self.0.borrow().shared.get(key).cloned())
    }

    fn set_shared(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), HostError> {
        let mut state = self.0.borrow_mut();
        let held = state.shared.get(key).map(|(_, cas)| *cas);
        if cas.is_some() && state.lost_swaps > 0 {
            state.lost_swaps -= 1;
            return Err(HostError::CasMismatch);
        }
        if cas.is_some_and(|cas| cas != 0 && held.is_some_and(|held| held != cas)) {
            return Err(HostError::CasMismatch);
        }
        state.next_cas += 1;
        let next = state.next_cas;
        state.shared.insert(key.to_owned(), (value.to_vec(), next));
        Ok(())
    }

    fn define_metric(&self, _kind: MetricKind, name: &str) -> Result<u32, HostError> {
        let mut state = self.0.borrow_mut();
        let at = state.metrics.iter().position(|(key, _)| key == name).unwrap_or_else(|| {
            state.metrics.push((name.to_owned(), 0));
            state.metrics.len() - 1
        });
        u32::try_from(at).map_err(|_| HostError::BadArgument)
    }

    fn increment_metric(&self, id: u32, by: i64) -> Result<(), HostError> {
        let mut state = self.0.borrow_mut();
        let metric = state.metrics.get_mut(id as usize).ok_or(HostError::BadArgument)?;
        metric.1 += by;
        Ok(())
    }

    fn record_metric(&self, id: u32, value: u64) -> Result<(), HostError> {
        let mut state = self.0.borrow_mut();
        let metric = state.metrics.get_mut(id as usize).ok_or(HostError::BadArgument)?;
        metric.1 = i64::try_from(value).unwrap_or(i64::MAX);
        Ok(())
    }

    fn reply(
        &self,
        status: u16,
        headers: &[(&str, &[u8])],
        body: &[u8],
        details: &str,
    ) -> Result<(), HostError> {
        self.turn(Turn::check_action)?;
        let (headers, body, details) = (owned(headers), body.to_vec(), details.to_owned());
        let mut state = self.0.borrow_mut();
        let context_id = state.effective;
        state.replies.push((context_id, LocalReply { status, headers, body, details }));
        Ok(())
    }

    fn clear_route_cache(&self) -> Result<(), HostError> {
        self.0.borrow_mut().route_cache_clears += 1;
        Ok(())
    }

    fn resume(&self, direction: Direction) -> Result<(), HostError> {
        self.turn(Turn::check_action)?;
        let mut state = self.0.borrow_mut();
        let context_id = state.effective;
        state.resumed.push((context_id, direction));
        Ok(())
    }

    fn call(&self, call: &Call<'_>) -> Result<CallToken, HostError> {
        let mut state = self.0.borrow_mut();
        if let Some(error) = state.refuses_calls {
            return Err(error);
        }
        let token = CallToken::new(u32::try_from(state.calls.len()).unwrap_or(u32::MAX));
        let sent = SentCall {
            token,
            context_id: state.effective,
            cluster: call.cluster.to_owned(),
            headers: owned(call.headers),
            body: call.body.to_vec(),
            timeout_ms: call.timeout_ms,
        };
        state.calls.push(sent);
        Ok(token)
    }

    fn memory_in_use(&self) -> usize {
        self.0.borrow().memory_in_use
    }

    fn effective_context(&self, context_id: u32, _: Switch) -> Result<(), HostError> {
        let mut state = self.0.borrow_mut();
        if state.ended.contains(&context_id) {
            // As Envoy: the context before stays.
            return Err(HostError::BadArgument);
        }
        state.effective = context_id;
        Ok(())
    }

    fn turn<R>(&self, look: impl FnOnce(&Turn) -> R) -> R {
        look(&self.1)
    }
}

fn owned(headers: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect()
}
