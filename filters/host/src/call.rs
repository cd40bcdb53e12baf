//! HTTP requests of a filter's own.

/// A request to a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// Headers in order; Envoy wants `:method`, `:path` and `:authority` among them.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The body, which may be empty.
    pub body: &'a [u8],
    /// How long Envoy waits for the whole answer, in ms.
    pub timeout_ms: u32,
}

/// Which call an answer belongs to. Numbers are the VM's: no two calls under way have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallToken(u32);

impl CallToken {
    /// The call that the host gave this number.
    pub(crate) fn new(number: u32) -> Self {
        Self(number)
    }
}
