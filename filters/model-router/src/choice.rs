//! The one decision about the model, made once per request in one order.
//!
//! 1. [`Reason::Default`]: a request that names no model gets the policy's.
//! 2. Permission: who may not use the entry is told that there is no such model.
//! 3. [`Reason::Limit`]: a limit gives another model in place of a refusal, once; that needs permission, too.
//! 4. [`Reason::Split`]: where the entry's requests are split by weight, the entry of the share that the request gets.
//! 5. [`Reason::Alias`]: the entry of the name says what is sent upstream, and to which pool.
//!
//! What comes later (a smaller model while a pool is saturated, a fallback) is one more stage in [`STAGES`] and one more [`Reason`], never a place of
//! its own: each stage sees what the ones before have chosen, and leaves a [`Step`] if it changes that.

use std::fmt::{self, Write as _};

use weir_settings::model_router::{RouterPolicy, Split, Target};
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
}

/// One change of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Why.
    pub(crate) reason: Reason,
    /// The model from then on.
    pub(crate) to: String,
}

/// Why a request gets another model than its client named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// It named none.
    Default,
    /// A limit would have refused it.
    Limit,
    /// The requests of the model are split.
    Split,
    /// It named an alias.
    Alias,
}

impl Reason {
    /// Its name in filter state.
    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Limit => "limit",
            Self::Split => "split",
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
            f.write_str(&step.to)?;
        }
        Ok(())
    }
}

/// One stage of the decision.
type Stage = fn(&RouterPolicy, &Asked<'_>, &mut Choice) -> Result<(), ErrorReply>;

/// What happens to a choice once its entry is known, in order.
const STAGES: [Stage; 4] = [permit, downgrade, split, send_as];

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
    Ok(Choice { model, target, steps })
}

/// Refuses who may not use the entry, in the words for a model that does not exist: what there is for
/// others is no business of this client's.
fn permit(policy: &RouterPolicy, asked: &Asked<'_>, choice: &mut Choice) -> Result<(), ErrorReply> {
    match policy.permits(&choice.model, asked.consumer) {
        true => Ok(()),
        false => Err(ErrorReply::model_not_found(&choice.model)),
    }
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
    permit(policy, asked, choice)
}

/// Goes to the entry of the share that the request gets. Whoever may use the model may use its shares.
fn split(policy: &RouterPolicy, asked: &Asked<'_>, choice: &mut Choice) -> Result<(), ErrorReply> {
    let Some(split) = policy.split(&choice.model) else { return Ok(()) };
    let place = (asked.share)(&choice.model, split);
    let share = split.shares.get(place).zip(policy.share(&choice.model, place));
    let (share, target) = share.ok_or_else(ErrorReply::misconfigured)?;
    choice.steps.push(Step { reason: Reason::Split, to: share.model.clone() });
    choice.target = target;
    Ok(())
}

/// Notes that the entry sends another name upstream.
fn send_as(
    _policy: &RouterPolicy,
    _asked: &Asked<'_>,
    choice: &mut Choice,
) -> Result<(), ErrorReply> {
    let named = choice.steps.last().map_or(&choice.model, |step| &step.to);
    if choice.target.upstream != *named {
        choice.steps.push(Step { reason: Reason::Alias, to: choice.target.upstream.clone() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;
    use weir_settings::model_router::RouterSettings;

    fn policy() -> Rc<RouterPolicy> {
        let json = br#"{"trust":{"consumer":[{"header":"x-consumer"}]},"policies":{"default":{
            "default_model":"qwen","models":[
            {"name":"llama-8b","pool":"llama"},
            {"name":"qwen","pool":"qwen","rewrite":"qwen2.5-7b"},
            {"name":"gpt-*","pool":"llama","rewrite":"llama-8b"},
            {"name":"trial","split":{"to":[{"model":"llama-8b","weight":9},{"model":"team","weight":1}]}},
            {"name":"trial2","split":{"to":[{"model":"llama-8b","weight":9},{"model":"qwen","weight":1}]}},
            {"name":"team","pool":"llama","consumers":["ann"]}]}}}"#;
        Rc::clone(RouterSettings::from_json(json).unwrap().policies.fallback().unwrap())
    }

    fn chosen(model: Option<&str>, consumer: Option<&str>) -> Result<(String, String), String> {
        let asked = Asked { model, consumer, instead: None, share: &|_, _| 1 };
        let choice = choose(&policy(), &asked);
        let choice = choice.map_err(|error| error.code.to_owned())?;
        let reasons: Vec<_> = choice.steps.iter().map(|step| step.reason).collect();
        assert!(reasons.is_sorted(), "{reasons:?}");
        Ok((choice.target.upstream, Shown(&choice.steps).to_string()))
    }

    #[test]
    fn each_change_of_the_model_is_a_step_with_its_reason() {
        for (model, upstream, steps) in [
            (Some("llama-8b"), "llama-8b", ""),
            (Some("gpt-4o"), "llama-8b", "alias=llama-8b"),
            (None, "qwen2.5-7b", "default=qwen; alias=qwen2.5-7b"),
            (Some(""), "qwen2.5-7b", "default=qwen; alias=qwen2.5-7b"),
            // The share is one that clients themselves could not ask for.
            (Some("trial"), "team", "split=team"),
            (Some("trial2"), "qwen2.5-7b", "split=qwen; alias=qwen2.5-7b"),
        ] {
            assert_eq!(
                chosen(model, None),
                Ok((upstream.to_owned(), steps.to_owned())),
                "{model:?}"
            );
        }
    }

    #[test]
    fn a_limit_gives_another_model_with_what_its_entry_says_and_only_to_who_may_use_it() {
        let choose = |instead, consumer| {
            let (model, instead) = (Some("llama-8b"), Some(instead));
            choose(&policy(), &Asked { model, consumer, instead, share: &|_, _| 1 })
        };
        let choice = choose("qwen", None).unwrap();
        assert_eq!((choice.model.as_str(), choice.target.pool.as_str()), ("qwen", "qwen"));
        assert_eq!(Shown(&choice.steps).to_string(), "limit=qwen; alias=qwen2.5-7b");
        assert_eq!(choose("team", Some("ann")).unwrap().model, "team");
        assert_eq!(choose("team", None).unwrap_err().code, "model_not_found");
        assert_eq!(choose("nothing", None).unwrap_err().code, "model_not_found");
    }

    #[test]
    fn a_model_for_others_is_none_at_all() {
        assert!(chosen(Some("team"), Some("ann")).is_ok());
        for consumer in [Some("bob"), None] {
            assert_eq!(chosen(Some("team"), consumer), chosen(Some("nothing"), consumer));
        }
    }
}
