//! The one decision about the model, made once per request in one order.
//!
//! 1. [`Reason::Default`]: a request that names no model gets the policy's.
//! 2. Permission: who may not use the entry is told that there is no such model.
//! 3. [`Reason::Split`]: where the entry's requests are split by weight, the entry of the share that the request gets.
//! 4. [`Reason::Saturated`], [`Reason::OtherPool`]: while the pool is saturated, what its entry says serves instead, once, unless that is
//!    saturated as well; another model needs permission, too.
//! 5. [`Reason::Limit`]: a limit gives another model in place of a refusal, once; that needs permission, too, and may be
//!    split in turn.
//! 6. [`Reason::Alias`]: the entry of the name says what is sent upstream, and to which pool.
//!
//! What comes later (a fallback) is one more stage in [`STAGES`] and one more [`Reason`], never a place of
//! its own: each stage sees what the ones before have chosen, and leaves a [`Step`] if it changes that.

use std::fmt::{self, Write as _};
use std::rc::Rc;

use weir_settings::model_router::{
    Instead, RouterPolicy, Split, Target, Thresholds, WhenSaturated,
};
use weir_wire::error::ErrorReply;

/// What is asked for, and by whom.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The model that the request names.
    pub(crate) model: Option<&'a str>,
    /// The consumer, as something before Weir vouches for it; `None` is nobody.
    pub(crate) consumer: Option<&'a str>,
    /// The model that a limit gives it in place of a refusal.
    pub(crate) instead: Option<&'a str>,
    /// The place of the share that the request gets of the split of a model.
    pub(crate) share: &'a dyn Fn(&str, &Split) -> usize,
    /// Whether a pool is saturated by these marks.
    pub(crate) saturated: &'a dyn Fn(&str, Thresholds) -> bool,
}

/// The model that serves a request, and how it was found.
#[derive(Debug)]
pub(crate) struct Choice {
    /// The name that the client sent, or the default.
    pub(crate) model: String,
    /// Where the request goes.
    pub(crate) target: Target,
    /// What was changed on the way, in order; empty where the client got what it named.
    pub(crate) steps: Vec<Step>,
    /// Something less than what was named, because that is saturated. Where it is a reply, the request goes nowhere.
    pub(crate) degraded: Option<Degraded>,
    /// Whether it goes where the share of a split leads.
    pub(crate) of_share: bool,
}

/// That a pool is saturated, and what serves in its place.
#[derive(Clone, Debug)]
pub(crate) struct Degraded {
    /// The pool.
    pub(crate) pool: String,
    /// What its entry says of that.
    pub(crate) rule: Rc<WhenSaturated>,
}

/// One change of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Why.
    pub(crate) reason: Reason,
    /// The model from then on, or the pool that serves it from then on.
    pub(crate) to: String,
}

/// Why a request gets another model than its client named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// It named none.
    Default,
    /// The requests of the model are split.
    Split,
    /// The pool of its model is saturated.
    Saturated,
    /// The same; another pool serves the same model.
    OtherPool,
    /// A limit would have refused it.
    Limit,
    /// It named an alias.
    Alias,
}

impl Reason {
    /// Its name in filter state.
    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Split => "split",
            Self::Saturated | Self::OtherPool => "saturated",
            Self::Limit => "limit",
            Self::Alias => "alias",
        }
    }
}

/// The steps as filter state `weir.decision` shows them: `default=qwen; alias=qwen2.5-7b-instruct`.
pub(crate) struct Shown<'a>(pub(crate) &'a [Step]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            f.write_str(step.reason.name())?;
            f.write_char('=')?;
            if step.reason == Reason::OtherPool {
                f.write_str("pool:")?;
            }
            f.write_str(&step.to)?;
        }
        Ok(())
    }
}

/// One stage of the decision.
type Stage = fn(&RouterPolicy, &Asked<'_>, &mut Choice) -> Result<(), ErrorReply>;

/// What happens to a choice once its entry is known, in order.
const STAGES: [Stage; 5] = [permit, split, degrade, downgrade, send_as];

/// Decides which model serves a request.
///
/// # Errors
/// No model and no default, or a model that the policy does not serve, or not to this consumer.
pub(crate) fn choose(policy: &RouterPolicy, asked: &Asked<'_>) -> Result<Choice, ErrorReply> {
    let mut choice = entry(policy, asked)?;
    for stage in STAGES {
        stage(policy, asked, &mut choice)?;
    }
    Ok(choice)
}

/// Finds the entry that serves what was named, or the default.
fn entry(policy: &RouterPolicy, asked: &Asked<'_>) -> Result<Choice, ErrorReply> {
    // An empty name is none.
    let named = asked.model.filter(|name| !name.is_empty());
    let (model, steps) = match (named, &policy.default_model) {
        (Some(name), _) => (name.to_owned(), Vec::new()),
        (None, Some(name)) => {
            (name.clone(), vec![Step { reason: Reason::Default, to: name.clone() }])
        }
        (None, None) => return Err(ErrorReply::missing_model()),
    };
    let target = policy.resolve(&model).ok_or_else(|| ErrorReply::model_not_found(&model))?;
    Ok(Choice { model, target, steps, degraded: None, of_share: false })
}

/// Refuses who may not use the entry, in the words for a model that does not exist: what there is for
/// others is no business of this client's.
fn permit(policy: &RouterPolicy, asked: &Asked<'_>, choice: &mut Choice) -> Result<(), ErrorReply> {
    match policy.permits(&choice.model, asked.consumer) {
        true => Ok(()),
        false => Err(ErrorReply::model_not_found(&choice.model)),
    }
}

/// Goes on with what serves while the pool is saturated. Where that is saturated as well, or is a model that the
/// consumer may not use, the request stays what it is: it is no worse off there.
fn degrade(
    policy: &RouterPolicy,
    asked: &Asked<'_>,
    choice: &mut Choice,
) -> Result<(), ErrorReply> {
    let Some(rule) = choice.target.when_saturated.clone() else { return Ok(()) };
    let saturated = |pool: &str| (asked.saturated)(pool, rule.thresholds);
    let from = choice.target.pool.clone();
    if !saturated(&from) {
        return Ok(());
    }
    match &rule.instead {
        Instead::Reply(_) => {}
        Instead::Model(model) => {
            let target = policy.resolve(model).filter(|_| policy.permits(model, asked.consumer));
            let Some(target) = target.filter(|target| !saturated(&target.pool)) else {
                return Ok(());
            };
            choice.steps.push(Step { reason: Reason::Saturated, to: model.clone() });
            (choice.model, choice.target) = (model.clone(), target);
        }
        Instead::Pool { pool, base_model } => {
            if saturated(pool) {
                return Ok(());
            }
            choice.steps.push(Step { reason: Reason::OtherPool, to: pool.clone() });
            choice.target.pool.clone_from(pool);
            if let Some(base_model) = base_model {
                choice.target.base_model.clone_from(base_model);
            }
        }
    }
    choice.of_share &= matches!(rule.instead, Instead::Reply(_));
    choice.degraded = Some(Degraded { pool: from, rule });
    Ok(())
}

/// Goes on with the entry of the model that a limit gives, if it does.
fn downgrade(
    policy: &RouterPolicy,
    asked: &Asked<'_>,
    choice: &mut Choice,
) -> Result<(), ErrorReply> {
    let Some(model) = asked.instead else { return Ok(()) };
    let target = policy.resolve(model).ok_or_else(|| ErrorReply::model_not_found(model))?;
    choice.steps.push(Step { reason: Reason::Limit, to: model.to_owned() });
    (choice.model, choice.target) = (model.to_owned(), target);
    (choice.degraded, choice.of_share) = (None, false);
    permit(policy, asked, choice)?;
    split(policy, asked, choice)
}

/// Goes to the entry of the share that the request gets. Whoever may use the model may use its shares.
fn split(policy: &RouterPolicy, asked: &Asked<'_>, choice: &mut Choice) -> Result<(), ErrorReply> {
    let Some(split) = policy.split(&choice.model) else { return Ok(()) };
    let place = (asked.share)(&choice.model, split);
    let share = split.shares.get(place).zip(policy.share(&choice.model, place));
    let (share, target) = share.ok_or_else(ErrorReply::misconfigured)?;
    choice.steps.push(Step { reason: Reason::Split, to: share.model.clone() });
    (choice.target, choice.of_share) = (target, true);
    Ok(())
}

/// Notes that the entry sends another name upstream.
fn send_as(
    _policy: &RouterPolicy,
    _asked: &Asked<'_>,
    choice: &mut Choice,
) -> Result<(), ErrorReply> {
    let mut models = choice.steps.iter().filter(|step| step.reason != Reason::OtherPool);
    let named = models.next_back().map_or(&choice.model, |step| &step.to);
    if choice.target.upstream != *named {
        choice.steps.push(Step { reason: Reason::Alias, to: choice.target.upstream.clone() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
