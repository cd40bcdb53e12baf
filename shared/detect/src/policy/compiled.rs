//! A policy as filters use it.

use std::fmt;
use std::sync::Arc;

use super::check;
use super::entry::names;
use crate::allow::Allowed;
use crate::custom::{Custom, Engine};
use crate::error::PolicyError;
use crate::hosts::Hosts;
use crate::raw::{Action, Direction, Directions, ROLES, RawPolicy, RawRule, has_role};
use crate::rule::{Finding, Group, Rule};
use crate::scanner::{DEFAULT_HOLD_BACK, Scanner};
use crate::selection::Selection;
use crate::unscannable::{OnTrouble, OnUnscannable};

/// What a policy does about one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Treatment {
    /// What happens to a finding.
    pub action: Action,
    /// Least confidence that counts.
    pub min_confidence: f32,
    /// Found and counted, but nothing is done.
    pub shadow: bool,
    /// May be skipped while the pool is saturated.
    pub optional: bool,
    /// Message roles inspected in requests; empty means all.
    pub roles: Arc<[String]>,
}

/// What happens to findings of each rule of a scanner, by message roles: the treatments of later entries first, until one is
/// for all roles. None where the rule is not looked for.
type Treatments = Vec<Vec<Treatment>>;

/// A compiled policy: its scanner, and what to do about each rule.
pub struct Policy {
    scanner: Arc<Scanner>,
    /// By rule, for request and response.
    treatments: [Treatments; 2],
    /// Selections for request and response, with and without the optional rules.
    selections: [[Arc<Selection>; 2]; 2],
    hash_key: Option<Vec<u8>>,
    /// When inspecting fails.
    pub on_error: OnTrouble,
    /// When a body can't be read.
    pub on_unscannable: OnUnscannable,
    /// Most bytes of text in a response.
    pub max_response_bytes: Option<usize>,
    /// Message roles inspected in requests; empty means all.
    pub roles: Vec<String>,
    /// Whether functional fields (identifiers, addresses, tokens, schemas) are inspected like text.
    pub inspect_functional: bool,
    /// Environment variable with the key of `hash`.
    pub hash_key_env: Option<String>,
}

impl Policy {
    /// The scanner of this policy.
    pub fn scanner(&self) -> &Arc<Scanner> {
        &self.scanner
    }

    /// Which rules count in `direction`; `saturated` leaves out the optional ones.
    pub fn selection(&self, direction: Direction, saturated: bool) -> &Arc<Selection> {
        let [normal, reduced] = &self.selections;
        let [request, response] = if saturated { reduced } else { normal };
        if direction == Direction::Request { request } else { response }
    }

    /// What happens to a finding in `direction`, in a text of `role`, if that is known; `saturated` leaves out the optional rules.
    pub fn treatment(
        &self,
        finding: &Finding,
        direction: Direction,
        (role, saturated): (Option<&str>, bool),
    ) -> Option<&Treatment> {
        let of_rule = self.towards(direction).get(finding.index.position())?;
        deciding(of_rule, role, |treatment| {
            finding.confidence >= treatment.min_confidence && !(saturated && treatment.optional)
        })
    }

    /// Every rule, with what happens to its findings in requests and in responses where no role is known; `None` where the policy
    /// does not look for it.
    pub fn rules(&self) -> impl Iterator<Item = (&Rule, [Option<&Treatment>; 2])> {
        let [requests, responses] = &self.treatments;
        let both = requests
            .iter()
            .zip(responses)
            .map(|(a, b)| [a, b].map(|of_rule| deciding(of_rule, None, |_| true)));
        self.scanner.rules().iter().map(AsRef::as_ref).zip(both)
    }

    fn all(&self) -> impl Iterator<Item = &Treatment> {
        self.treatments.iter().flatten().flatten()
    }

    fn towards(&self, direction: Direction) -> &Treatments {
        let [requests, responses] = &self.treatments;
        if direction == Direction::Request { requests } else { responses }
    }

    /// Gives `hash` its key; without one it redacts.
    pub fn with_hash_key(mut self, key: &[u8]) -> Self {
        self.hash_key = Some(key.to_vec());
        self
    }

    pub(crate) fn hash_key(&self) -> Option<&[u8]> {
        self.hash_key.as_deref()
    }

    /// Whether texts of this message role are inspected at all.
    pub fn inspects(&self, role: &str) -> bool {
        has_role(&self.roles, role)
    }

    /// Whether the operator's own regexes or dictionaries are among the rules.
    pub fn has_custom_rules(&self) -> bool {
        let directions = [Direction::Request, Direction::Response];
        directions.iter().any(|way| self.selection(*way, false).has(Group::Custom))
    }

    /// Whether values are replaced by names that the response has to be restored from.
    pub fn pseudonymises(&self) -> bool {
        self.all().any(|t| t.action == Action::Pseudonymise)
    }

    /// Whether any rule may be skipped while the pool is saturated.
    pub fn has_optional_rules(&self) -> bool {
        self.all().any(|treatment| treatment.optional)
    }

    /// Whether the system prompt is looked for in responses.
    pub fn watches_leaks(&self) -> bool {
        self.selection(Direction::Response, false).has(Group::Leak)
    }

    /// Whether anything that is found in `direction`, or cannot be read there, may change the bytes.
    pub fn may_edit(&self, direction: Direction) -> bool {
        let edits = |t: &Treatment| !t.shadow && t.action != Action::Flag;
        self.towards(direction).iter().flatten().any(edits)
            || (direction == Direction::Response && self.pseudonymises())
            || self.on_error == OnTrouble::Block
            || self.on_unscannable.ever_blocks()
    }

    /// Whether any rule ever looks in `direction`.
    pub fn is_active(&self, direction: Direction) -> bool {
        self.towards(direction).iter().any(|of_rule| !of_rule.is_empty())
    }
}

impl Default for Policy {
    fn default() -> Self {
        let scanner = Arc::new(Scanner::new());
        let treatments = treatments(&scanner, &default_rules());
        Self::assemble(scanner, treatments, &RawPolicy::default())
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("treatments", &self.treatments).finish_non_exhaustive()
    }
}

impl TryFrom<RawPolicy> for Policy {
    type Error = PolicyError;

    fn try_from(raw: RawPolicy) -> Result<Self, PolicyError> {
        check::policy(&raw)?;
        let custom = Custom::compile(&raw.regexes, &raw.dictionaries)?;
        let hosts = Hosts::new(raw.link_hosts.iter().cloned());
        let hold_back = raw.hold_back_bytes.unwrap_or(DEFAULT_HOLD_BACK);
        let scanner = Arc::new(Scanner::with(custom, allowed(&raw)?, hosts, hold_back));
        check::rules(&scanner, &raw.rules)?;
        let mut written = if raw.rules.is_empty() { default_rules() } else { raw.rules.clone() };
        if raw.max_response_bytes.is_some() {
            // A limit without a rule of its own is meant as one; any rule for it wins.
            written.insert(0, default_rule(&[Group::Size], Directions::Both, Action::Block, 0.5));
        }
        let treatments = treatments(&scanner, &written);
        check::effects(&scanner, &raw)?;
        Ok(Self::assemble(scanner, treatments, &raw))
    }
}

impl Policy {
    fn assemble(scanner: Arc<Scanner>, treatments: [Treatments; 2], raw: &RawPolicy) -> Self {
        let select = |of: &Treatments, saturated| {
            let counts = |t: &&Treatment| !(saturated && t.optional);
            let chosen = of.iter().map(|of_rule| {
                of_rule.iter().filter(counts).map(|t| t.min_confidence).reduce(f32::min)
            });
            Arc::new(Selection::in_order(scanner.rules(), chosen))
        };
        let selections =
            [false, true].map(|saturated| treatments.each_ref().map(|of| select(of, saturated)));
        Self {
            selections,
            scanner,
            treatments,
            hash_key: None,
            on_error: raw.on_error,
            on_unscannable: raw.on_unscannable,
            max_response_bytes: raw.max_response_bytes,
            roles: raw.roles.clone(),
            inspect_functional: raw.inspect_functional,
            hash_key_env: raw.hash_key_env.clone(),
        }
    }
}

fn allowed(raw: &RawPolicy) -> Result<Allowed, PolicyError> {
    let compile = |(at, pattern): (usize, &String)| -> Result<Engine, PolicyError> {
        Engine::compile(pattern).map_err(|reason| {
            PolicyError::new(format_args!("allow.regex[{at}]"), format_args!("{reason}"))
        })
    };
    let patterns = raw.allow.regex.iter().enumerate().map(compile).collect::<Result<_, _>>()?;
    Ok(Allowed::new(&raw.allow.exact, patterns, &raw.allow.domains))
}

/// For each rule of the scanner, in requests and in responses, what the entries say that decide about it.
fn treatments(scanner: &Scanner, written: &[RawRule]) -> [Treatments; 2] {
    [Direction::Request, Direction::Response].map(|direction| {
        let of = |rule: &Arc<Rule>| {
            let mut of_rule: Vec<Treatment> = Vec::new();
            for entry in written.iter().rev().filter(|entry| names(entry, rule, direction)) {
                of_rule.push(treatment(entry));
                if entry.roles.is_empty() {
                    break;
                }
            }
            of_rule
        };
        scanner.rules().iter().map(of).collect()
    })
}

/// Which of a rule's treatments happens in a text of `role`: the last that was written for that role, if it `counts`. Where the
/// role is not known, as in a response, or is one that no dialect has, that is the strictest that counts: nobody gets past a rule by it.
fn deciding<'t>(
    of_rule: &'t [Treatment],
    role: Option<&str>,
    counts: impl Fn(&Treatment) -> bool,
) -> Option<&'t Treatment> {
    match role.filter(|role| ROLES.contains(role)) {
        Some(role) => {
            let last = of_rule.iter().find(|treatment| has_role(&treatment.roles, role));
            last.filter(|treatment| counts(treatment))
        }
        None => {
            let all = of_rule.iter().filter(|treatment| counts(treatment));
            all.max_by_key(|treatment| (!treatment.shadow, treatment.action))
        }
    }
}

fn treatment(entry: &RawRule) -> Treatment {
    Treatment {
        action: entry.action,
        min_confidence: entry.min_confidence,
        shadow: entry.shadow,
        optional: entry.optional,
        roles: entry.roles.clone().into(),
    }
}

/// Personal data, secrets and encoded forms of them are redacted both ways, what could carry data
/// away is removed from responses, the rest is counted.
fn default_rules() -> Vec<RawRule> {
    let rule = default_rule;
    vec![
        rule(&[Group::Pii, Group::PiiNational], Directions::Both, Action::Redact, 0.5),
        rule(
            &[Group::Secrets, Group::Encoded, Group::Custom],
            Directions::Both,
            Action::Redact,
            0.5,
        ),
        // Doubtful by nature, and only its last word is known: counted, never cut.
        RawRule {
            rules: vec!["pii.spelled_digits".to_owned()],
            ..rule(&[], Directions::Both, Action::Flag, 0.3)
        },
        rule(&[Group::Injection, Group::Invisible], Directions::Request, Action::Flag, 0.5),
        rule(&[Group::Leak], Directions::Response, Action::Flag, 0.5),
        rule(&[Group::Exfil], Directions::Response, Action::Redact, 0.6),
        rule(&[Group::Size], Directions::Both, Action::Block, 0.5),
    ]
}

fn default_rule(
    groups: &[Group],
    direction: Directions,
    action: Action,
    min_confidence: f32,
) -> RawRule {
    RawRule {
        rules: groups.iter().map(|group| group.name().to_owned()).collect(),
        direction,
        action,
        min_confidence,
        except: Vec::new(),
        shadow: false,
        roles: Vec::new(),
        optional: false,
    }
}
