//! Token estimates without a vocabulary, from character-class counts, and limits of what is spent.
//!
//! # Overview
//! A [`TextCounter`] takes text in pieces and keeps a few numbers ([`TextCounts`]): how many words
//! there are, how long they are, how often the case changes, how much of the text is digits,
//! punctuation, white space, or of which script. [`estimate`] turns them into tokens with a linear
//! model whose coefficients were fitted against a real vocabulary (`fit/` beside this crate).
//!
//! A vocabulary would cost 7 to 35 MB of module; the counts cost nothing and follow
//! the text closely enough to place and to limit requests. What is billed is settled with the
//! usage that the replica reports; a [`Correction`] per model learns from it.
//!
//! - [`limits`]: how limits are reserved and settled.
//! - [`charge`]: what a request is charged.
//! - [`headers`]: what a response says about limits.
//! - [`media`]: what pictures and sound count as.
//! - [`spending`]: sums of who has spent what.
//!
//! ```
//! use weir_tokens::{TextCounter, estimate};
//!
//! let mut counter = TextCounter::new();
//! counter.push(b"How many tokens ");
//! counter.push(b"are in this sentence?");
//! assert!((6..=10).contains(&estimate(&counter.counts())));
//! ```

mod block;
pub mod charge;
pub mod correction;
mod counter;
mod counts;
pub mod headers;
pub mod limits;
pub mod media;
mod model;
pub mod spending;

pub use correction::{Correction, Corrections};
pub use counter::TextCounter;
pub use counts::{Feature, TextCounts};
pub use model::estimate;
