//! What older Envoys cannot do: the tests that are left out for them, and why.

use std::fs;

use crate::failure::Failure;
use crate::layout::Layout;

/// Where they are listed.
const LIST: &str = "integration/e2e/older-envoys.txt";

/// What older Envoys cannot do.
pub(super) struct Exceptions(Vec<Exception>);

/// One thing that versions before some one cannot do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exception {
    /// The first version that can, as (major, minor).
    since: (u32, u32),
    /// A part of the names of the tests that need it.
    pub(super) tests: String,
    /// Why.
    pub(super) reason: String,
}

impl Exceptions {
    /// Reads the list.
    ///
    /// # Errors
    /// When it can't be read, or a line is none.
    pub(super) fn read(layout: &Layout) -> Result<Self, Failure> {
        let path = layout.root().join(LIST);
        let text = fs::read_to_string(&path).map_err(Failure::file(&path))?;
        Self::parse(&text).map_err(|line| Failure::Form(format!("{LIST}: {line}")))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let parsed = lines.map(|line| exception(line).ok_or_else(|| line.to_owned()));
        parsed.collect::<Result<_, _>>().map(Self)
    }

    /// Those that concern `version`.
    pub(super) fn before(&self, version: &str) -> impl Iterator<Item = &Exception> {
        let version = pair(version);
        self.0.iter().filter(move |exception| version.is_some_and(|own| own < exception.since))
    }
}

fn exception(line: &str) -> Option<Exception> {
    let mut words = line.splitn(3, ' ');
    let since = pair(words.next()?)?;
    let (tests, reason) = (words.next()?.to_owned(), words.next()?.trim().to_owned());
    Some(Exception { since, tests, reason })
}

fn pair(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_left_out_before_the_version_that_can() {
        let list = "# why\n\n1.40 limits::a no limit\n1.37 tags no tags, so no spans\n";
        let exceptions = Exceptions::parse(list).unwrap();
        let tests = |version| exceptions.before(version).map(|one| one.tests.as_str()).collect();
        assert_eq!((tests("1.40.0"), tests("1.39.3")), (vec![], vec!["limits::a"]));
        assert_eq!(
            (tests("1.37.0"), tests("1.36.4")),
            (vec!["limits::a"], vec!["limits::a", "tags"])
        );
        assert_eq!(exceptions.before("1.36.4").last().unwrap().reason, "no tags, so no spans");
        for line in ["1.40", "1.40 tests", "new tests why"] {
            assert_eq!(Exceptions::parse(line).err().as_deref(), Some(line));
        }
    }

    #[test]
    fn the_list_can_be_read() {
        Exceptions::read(&Layout::of_workspace()).unwrap();
    }
}
