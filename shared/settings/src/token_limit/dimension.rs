//! What tells those apart who each have a limit for themselves.

use std::fmt;

use crate::SettingsError;

/// What a `per` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Who asks, as an authentication filter vouches for.
    Consumer,
    /// The model by the name that replicas are sent: one model under many names has one limit.
    Model,
    /// The pool that serves it.
    Pool,
    /// Envoy's route.
    Route,
    /// The client's address.
    ClientIp,
    /// A header's value.
    Header(String),
    /// A claim of the client's token, by its path.
    Claim(Vec<String>),
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consumer => f.write_str("consumer"),
            Self::Model => f.write_str("model"),
            Self::Pool => f.write_str("pool"),
            Self::Route => f.write_str("route"),
            Self::ClientIp => f.write_str("client-ip"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Claim(path) => write!(f, "claim:{}", path.join(".")),
        }
    }
}

/// The dimensions at `field`.
pub(super) fn dimensions(field: &str, written: &[String]) -> Result<Vec<Dimension>, SettingsError> {
    let mut all = Vec::with_capacity(written.len());
    for (at, text) in written.iter().enumerate() {
        let invalid = |problem: &str| {
            Err(SettingsError::invalid(format!("{field}[{at}]"), format!("{text:?}"), problem))
        };
        let Some(dimension) = dimension(text) else {
            return invalid(
                "is none of consumer, model, pool, route, client-ip, header:NAME (lower case), claim:PATH",
            );
        };
        if all.contains(&dimension) {
            return invalid("stands twice");
        }
        all.push(dimension);
    }
    Ok(all)
}

fn dimension(text: &str) -> Option<Dimension> {
    Some(match text {
        "consumer" => Dimension::Consumer,
        "model" => Dimension::Model,
        "pool" => Dimension::Pool,
        "route" => Dimension::Route,
        "client-ip" => Dimension::ClientIp,
        _ => match text.split_once(':')? {
            ("header", name) if is_header(name) => Dimension::Header(name.to_owned()),
            ("claim", path) if path.split('.').all(|step| !step.is_empty()) => {
                Dimension::Claim(path.split('.').map(str::to_owned).collect())
            }
            _ => return None,
        },
    })
}

/// A header's name as Envoy has it: lower case.
fn is_header(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}
