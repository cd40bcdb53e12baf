//! What is sensitive: rules, validators, the streaming scanner, redaction.
//!
//! # Overview
//! A [`Scanner`] finds personal data, secrets, injection phrases and hidden text in plain text. A
//! [`Policy`] says what happens to a [`Finding`]; [`Policy::inspect`] applies it to a whole text,
//! an [`Inspector`] to text that arrives in pieces. What is a request, a message or an event is
//! the caller's business: this crate sees text pieces and answers with spans and releasable text.
//!
//! # The chunk-invariance law
//! For every way to cut a text into pieces, the concatenated output is byte-identical, and equal
//! to the result of the whole text at once. Text is cut into *segments* by a rule that looks at a
//! few bytes only; a segment is judged when it is finished, from itself and a bounded window
//! before it. Ordinary prose is released word by word.
//!
//! # Example
//! ```
//! use weir_detect::{Direction, Policy, Pseudonyms, apply};
//!
//! let policy = Policy::default();
//! let text = "Write to ann@example.com, please.";
//! let inspection = policy.inspect(text, Direction::Request, &mut Pseudonyms::default());
//! assert_eq!(apply(text, &inspection.edits), "Write to [EMAIL], please.");
//! ```

mod allow;
mod custom;
mod detectors;
mod digits;
mod error;
mod hash;
mod hosts;
mod leak;
mod normalise;
mod pass;
mod phrases;
mod policy;
mod raw;
mod redact;
mod resolve;
mod rule;
mod scan;
mod scanner;
mod selection;
mod stream;
mod unscannable;
mod validate;
mod window;

pub use error::PolicyError;
pub use leak::SystemPrompt;
pub use policy::{Policy, Treatment};
pub use raw::{
    Action, Allow, Direction, Directions, ROLES, RawDictionary, RawPolicy, RawRegex, RawRule,
};
pub use redact::{
    Applied, Edit, Inspection, Inspector, Pseudonyms, Released, Restorer, Surroundings, apply,
};
pub use rule::{Finding, Group, Rule, RuleIndex};
pub use scanner::{DEFAULT_HOLD_BACK, MIN_HOLD_BACK, Scanner};
pub use selection::Selection;
pub use stream::{Step, StreamScanner};
pub use unscannable::{OnTrouble, OnUnscannable, Unscannable};
