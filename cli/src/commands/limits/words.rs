//! Limits in words.

use std::fmt::Write;

use weir_settings::token_limit::{
    Dimension, OnExceed, PolicyLimit, TokenLimitPolicy, Unidentified,
};
use weir_tokens::charge::{Demand, Share, Used, Weights};
use weir_tokens::headers::duration;
use weir_tokens::limits::{Away, Calendar, FleetTerms, Limit, Measure, Period};

/// What a policy allows.
pub(super) fn policy(policy: &TokenLimitPolicy) -> String {
    let mut text = match policy.limits.len() {
        1 => "A request has to pass one limit.\n".to_owned(),
        n => format!(
            "A request has to pass all of {n} limits that apply to it, or is charged to none.\n"
        ),
    };
    for limit in &policy.limits {
        let _ = write!(text, "\n{}: {}\n", limit.name, sentence(limit));
        for line in details(limit) {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// What a request would be charged.
pub(super) fn request(policy: &TokenLimitPolicy, model: &str, demand: &Demand) -> String {
    let most = demand.max_tokens.map_or("none".to_owned(), |most| most.to_string());
    let shown = if model.is_empty() { "no model" } else { model };
    let mut text = format!(
        "A request for {shown} with about {} prompt tokens, max_tokens {most}, {} choices:\n",
        demand.prompt, demand.choices
    );
    for limit in &policy.limits {
        let _ = writeln!(text, "  {}: {}", limit.name, charged(limit, model, demand));
    }
    text
}

fn charged(limit: &PolicyLimit, model: &str, demand: &Demand) -> String {
    if !limit.applies_to(model) {
        return "does not apply to this model".to_owned();
    }
    let capacity = limit.limit.capacity();
    match limit.limit.measure() {
        Measure::Requests => return "charged 1 request when it is admitted".to_owned(),
        Measure::Concurrent => return "takes 1 of the places until it ends".to_owned(),
        Measure::Tokens | Measure::Cost => {}
    }
    let weights = limit.weights(model);
    let units = limit.reserve.units(&weights, demand, 0, capacity);
    let reserves = format!("reserves {}", amount(&limit.limit, units));
    if units > capacity {
        let most = amount(&limit.limit, capacity);
        return format!(
            "{reserves}, which is more than the limit ever has ({most}): never admitted"
        );
    }
    let left = amount(&limit.limit, capacity - units);
    let settled = match demand.max_tokens {
        Some(most) => {
            let completion = most.saturating_mul(demand.choices);
            let used = Used { prompt: demand.prompt, completion, ..Used::default() };
            let all = limit.limit.charge(&weights, &used);
            format!(
                "charged what it uses, {} if that is all of max_tokens",
                amount(&limit.limit, all)
            )
        }
        None => "charged what it uses".to_owned(),
    };
    format!("{reserves}, which leaves {left} of a full limit; {settled}")
}

/// `100000 tokens in 1m for each consumer`.
fn sentence(limit: &PolicyLimit) -> String {
    let whom = match limit.per.as_slice() {
        [] => "for all requests together".to_owned(),
        per => {
            let per: Vec<_> = per.iter().map(dimension).collect();
            format!("for each {}", per.join(" and "))
        }
    };
    let which = match limit.models.as_slice() {
        [] => String::new(),
        models => {
            let models: Vec<_> = models.iter().map(ToString::to_string).collect();
            format!(", of the models {}", models.join(", "))
        }
    };
    let what = match limit.limit.measure() {
        Measure::Concurrent => format!("{} requests at the same time", limit.limit.capacity()),
        _ => {
            let window = match limit.limit.calendar() {
                Some(calendar) => format!("a {}", calendar.period().name()),
                None => format!("in {}", duration(limit.limit.window_ms())),
            };
            format!("{} {window}", amount(&limit.limit, limit.limit.amount()))
        }
    };
    format!("{what} {whom}{which}")
}

fn details(limit: &PolicyLimit) -> Vec<String> {
    let mut lines = Vec::new();
    let parts = &limit.limit;
    if let Some(calendar) = parts.calendar() {
        lines.push(format!(
            "at once: all of it; it starts afresh {}, by the clock of Redis",
            afresh(calendar)
        ));
    } else if parts.measure() != Measure::Concurrent {
        let full = u128::from(parts.capacity()) * u128::from(parts.window_ms());
        let full = full.div_ceil(u128::from(parts.amount().max(1)));
        lines.push(format!(
            "at once: up to {}; what was spent comes back evenly, all of it in {}",
            amount(parts, parts.capacity()),
            duration(u64::try_from(full).unwrap_or(u64::MAX)),
        ));
    }
    if parts.measure() == Measure::Tokens {
        lines.push(format!("counts: {}", weights(&limit.weights(""))));
    }
    if parts.measure().by_tokens() {
        lines.push(reserves(limit));
    }
    if let Some(terms) = parts.fleet() {
        lines.extend(of_fleet(parts, terms));
    }
    let quota = parts.calendar().is_some();
    lines.push(format!("beyond it: {}", exceeded(&limit.on_exceed, quota)));
    if !limit.per.is_empty() {
        lines.push(format!("who cannot be told: {}", unidentified(limit.unidentified)));
    }
    lines
}

/// What a request has reserved.
fn reserves(limit: &PolicyLimit) -> String {
    let completion = match limit.reserve.share {
        Share::None => "nothing for the completion".to_owned(),
        Share::Full => "all of max_tokens".to_owned(),
        Share::Permille(part) => format!("{} % of max_tokens", f64::from(part) / 10.0),
        Share::Learned => {
            "what nine of ten completions of the same key stay below, at most max_tokens".to_owned()
        }
    };
    let guess = match limit.reserve.share {
        Share::None => String::new(),
        Share::Learned => format!(" ({} tokens until one was seen)", limit.reserve.guess),
        _ => format!(
            " (without max_tokens what was learned, at first {} tokens)",
            limit.reserve.guess
        ),
    };
    format!("reserves: the prompt, and {completion}{guess}")
}

fn of_fleet(limit: &Limit, terms: &FleetTerms) -> [String; 2] {
    let first = amount(limit, terms.first);
    let share = match terms.share_permille {
        0 => "one by the number of gateways".to_owned(),
        share => format!("{} %", f64::from(share) / 10.0),
    };
    let away = match terms.away {
        Away::Local => format!("what is granted, and this gateway's share of the limit ({share})"),
        Away::Deny => "what is granted, and nothing more".to_owned(),
        Away::Allow => "everything".to_owned(),
    };
    [
        format!(
            "shared by all gateways through Redis: together they are over it by at most {first} each, and what \
             requests use beyond what was reserved"
        ),
        format!("while Redis cannot be reached: admits {away}"),
    ]
}

/// `on each Monday at 00:00 (UTC+01:00)`.
pub(super) fn afresh(calendar: &Calendar) -> String {
    let day = match calendar.period() {
        Period::Day => "each day",
        Period::Week => "on each Monday",
        Period::Month => "on the first of each month",
    };
    format!("{day} at 00:00 (UTC{})", calendar.offset())
}

fn exceeded(what: &OnExceed, quota: bool) -> String {
    match what {
        OnExceed::Reject if quota => "429 `insufficient_quota` with the time until then".to_owned(),
        OnExceed::Reject => "429 with the time to wait".to_owned(),
        OnExceed::Shadow => "counted, and admitted without being charged".to_owned(),
        OnExceed::Deprioritise => "admitted behind all others without being charged".to_owned(),
        OnExceed::Downgrade(model) => {
            format!("sent to {model} instead, if that is within its limits")
        }
    }
}

fn unidentified(what: Unidentified) -> &'static str {
    match what {
        Unidentified::Share => "shares one limit with all others who cannot",
        Unidentified::Reject => "is refused",
        Unidentified::Exempt => "is not limited by it",
    }
}

fn weights(weights: &Weights) -> String {
    let Weights { prompt, cached, completion, reasoning } = *weights;
    if weights == &Weights::all(1_000) {
        return "each token as one".to_owned();
    }
    let shown = |units: u64| units as f64 / 1_000.0;
    format!(
        "a prompt token as {}, a cached one as {}, a completion token as {}, one of reasoning as {}",
        shown(prompt),
        shown(cached),
        shown(completion),
        shown(reasoning)
    )
}

/// Units as people count them.
fn amount(limit: &Limit, units: u64) -> String {
    let ones = units as f64 / limit.measure().units() as f64;
    match limit.measure() {
        Measure::Tokens => format!("{} tokens", (ones * 1_000.0).round() / 1_000.0),
        Measure::Cost => format!("a cost of {}", (ones * 1e6).round() / 1e6),
        Measure::Requests | Measure::Concurrent => format!("{units} requests"),
    }
}

fn dimension(dimension: &Dimension) -> String {
    match dimension {
        Dimension::ClientIp => "client address".to_owned(),
        Dimension::Header(name) => format!("value of the header {name}"),
        Dimension::Claim(path) => format!("value of the claim {}", path.join(".")),
        other => other.to_string(),
    }
}
