//! Several sidecars, restarts, and clocks that were set.

use super::*;

/// A push of `sender`.
fn turn(host: &FakeHost, (epoch, sequence): (u64, u64), sender: u64) -> Result<(), Told> {
    let from = format!("\"epoch\":{epoch},\"sender\":{sender},");
    let body = body(sequence).replace("\"epoch\":5,", &from);
    match push(host, OPEN, &body) {
        (200, _) => Ok(()),
        (409, reply) => Err(Refusal::parse(reply.as_bytes()).unwrap().told),
        other => panic!("{other:?}"),
    }
}

fn held(epoch: u64, sequence: u64, sender: u64) -> Result<(), Told> {
    Err(Told::Held(weir_snapshot::Held { epoch, sequence, sender }))
}

#[test]
fn a_sidecar_whose_clock_was_set_back_is_told_what_it_has_to_be_above() {
    let host = FakeHost::new();
    assert_eq!(turn(&host, (1000, 9), 1), Ok(()));
    assert_eq!(turn(&host, (10, 1), 2), held(1000, 9, 1));
    assert_eq!(turn(&host, (1001, 2), 2), Ok(()));
    assert_eq!(turn(&host, (1001, 3), 2), Ok(()));
    assert_eq!(turn(&host, (1000, 10), 1), held(1001, 3, 2));
}

#[test]
fn two_sidecars_that_take_over_with_the_same_epoch_do_not_mix() {
    let host = FakeHost::new();
    assert_eq!(turn(&host, (1001, 1), 2), Ok(()));
    assert_eq!(turn(&host, (1001, 50), 3), held(1001, 1, 2));
    assert_eq!(turn(&host, (1001, 2), 2), Ok(()));
}
