//! Functions by name.

use std::collections::HashMap;

use wasmparser::{KnownCustom, Name, Parser, Payload};

use crate::failure::Failure;

/// Names of the functions that a module defines, by their place among those; what has none is called by
/// its number. Hashes are left out, so that a name stays the same from one compiler to the next;
/// instances of one generic function then have the same name.
///
/// # Errors
/// When the module can't be read.
pub(crate) fn of(module: &[u8], imported: usize, defined: usize) -> Result<Vec<String>, Failure> {
    let mut names: Vec<String> = (0..defined).map(|index| format!("function {index}")).collect();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::CustomSection(section) = payload? else { continue };
        let KnownCustom::Name(section) = section.as_known() else { continue };
        for part in section {
            let Name::Function(functions) = part? else { continue };
            for function in functions {
                let function = function?;
                let place = (function.index as usize).checked_sub(imported);
                if let Some(name) = place.and_then(|place| names.get_mut(place)) {
                    *name = format!("{:#}", rustc_demangle::demangle(function.name));
                }
            }
        }
    }
    Ok(names)
}

/// All functions of a module, in the order in which it shall have them.
pub(crate) struct Order {
    /// Their places in the module as it was linked.
    pub(crate) functions: Vec<usize>,
    /// How many of them were asked to come first.
    pub(crate) first: usize,
}

/// The most instances of a generic function that all come first. Of more, hardly any is one that a
/// request runs through: they come after those, still before what is not listed.
const FEW: usize = 4;

/// Those named come first, as they are listed; the others keep their order.
pub(crate) fn order<'a>(names: &[String], first: impl Iterator<Item = &'a str>) -> Order {
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        by_name.entry(name).or_default().push(index);
    }
    let listed: Vec<_> = first.filter_map(|name| by_name.remove(name)).collect();
    let (few, many): (Vec<_>, Vec<_>) = listed.into_iter().partition(|all| all.len() <= FEW);
    let mut functions: Vec<usize> = few.into_iter().flatten().collect();
    let first = functions.len();
    functions.extend(many.into_iter().flatten());
    let mut others: Vec<usize> = by_name.into_values().flatten().collect();
    others.sort_unstable();
    functions.extend(others);
    Order { functions, first }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_are_listed_come_first_and_all_instances_of_them() {
        let names = ["a", "b", "grow", "c", "grow"].map(str::to_owned);
        let order = order(&names, ["c", "gone", "grow", "c"].into_iter());
        assert_eq!((order.functions, order.first), (vec![3, 2, 4, 0, 1], 3));
    }

    #[test]
    fn functions_with_many_instances_come_after_those_with_few() {
        let names = ["x", "grow", "grow", "grow", "a", "grow", "grow"].map(str::to_owned);
        let order = order(&names, ["grow", "a"].into_iter());
        assert_eq!((order.functions, order.first), (vec![4, 1, 2, 3, 5, 6, 0], 1));
    }
}
