//! Tells of a change of state once, and only when it has held.

/// Observations in a row after which a state is told: something that flaps with every
/// observation, ten times a second, would otherwise fill the log.
const HELD: u32 = 3;

/// A state that is observed again and again.
#[derive(Clone, Debug)]
pub(crate) struct Steady<S> {
    current: Option<S>,
    /// How often `current` has been observed in a row.
    held: u32,
    told: Option<S>,
}

/// A change to tell of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change<S> {
    /// What was told before.
    pub(crate) from: Option<S>,
    pub(crate) to: S,
}

impl<S> Default for Steady<S> {
    fn default() -> Self {
        Self { current: None, held: 0, told: None }
    }
}

impl<S: Copy + Eq> Steady<S> {
    /// Takes an observation; the first is told at once.
    pub(crate) fn observe(&mut self, state: S) -> Option<Change<S>> {
        self.held = if self.current == Some(state) { self.held.saturating_add(1) } else { 1 };
        self.current = Some(state);
        let settled = self.told.is_none() || self.held >= HELD;
        if !settled || self.told == Some(state) {
            return None;
        }
        let from = self.told.replace(state);
        Some(Change { from, to: state })
    }

    /// The last observation.
    pub(crate) fn current(&self) -> Option<S> {
        self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a sequence of observations.
    fn told(observations: &str) -> String {
        let mut steady = Steady::default();
        observations.chars().filter_map(|state| steady.observe(state)).map(|told| told.to).collect()
    }

    #[test]
    fn a_state_is_told_once_and_when_it_has_held() {
        for (observations, expected) in [
            ("", ""),
            ("a", "a"),
            ("aaaaaa", "a"),
            ("aabb", "a"),
            ("aabbb", "ab"),
            ("abababababab", "a"),
            ("abbabbbaaa", "aba"),
            ("aabbbbccc", "abc"),
        ] {
            assert_eq!(told(observations), expected, "{observations}");
        }
    }

    #[test]
    fn a_change_names_what_was_told_before() {
        let mut steady = Steady::default();
        assert_eq!(steady.observe('a'), Some(Change { from: None, to: 'a' }));
        for state in ['c', 'b', 'b'] {
            assert_eq!(steady.observe(state), None);
        }
        assert_eq!(steady.observe('b'), Some(Change { from: Some('a'), to: 'b' }));
        assert_eq!(steady.current(), Some('b'));
    }
}
