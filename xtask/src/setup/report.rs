//! What set-up tells of its steps.

/// One line about a part: its name, what it is, and whether anything had to be done.
pub(super) fn report(part: &str, what: &str, state: &str) {
    println!("  {part:<8} {what}: {state}");
}
