//! The compact form against broken bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing test may panic")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use weir_snapshot::{
    CompactView, DecodeError, EndpointReport, EndpointState, SnapshotMessage, encode, view_json,
};

fn stored() -> Vec<u8> {
    let mut endpoints: Vec<EndpointReport> = (1..=3)
        .map(|host| EndpointReport::new(format!("10.0.0.{host}:80"), EndpointState::Ready))
        .collect();
    endpoints[1].running_adapters = vec!["law".to_owned(), "med".to_owned()];
    endpoints[2].waiting_adapters = vec!["med".to_owned()];
    endpoints[2].kv_cache_use = Some(0.5);
    let pool = "llama".to_owned();
    encode(&SnapshotMessage { version: 1, pool, epoch: 1, sequence: 2, endpoints }, 3).unwrap()
}

/// Reads everything that a view offers.
fn read_all(view: &CompactView) {
    for record in view.endpoints() {
        assert!(view.address(record).len() <= usize::from(u16::MAX));
        for id in view.running_adapters(record).iter().chain(view.waiting_adapters(record)) {
            assert!(view.adapter_name(*id).is_some());
        }
    }
    assert!(!view_json([view], 0).is_empty());
}

#[test]
fn adapters_are_found_by_name() {
    let view = CompactView::decode(&stored()).unwrap();
    let [none, running, waiting] = view.endpoints() else { panic!("three endpoints") };
    let med = view.adapter_id(b"med").unwrap();
    assert_eq!(view.adapter_name(med), Some(&b"med"[..]));
    assert_eq!(view.adapter_id(b"me"), None);
    assert!(view.running_adapters(running).contains(&med));
    assert_eq!(view.waiting_adapters(waiting), [med]);
    assert!(view.running_adapters(none).is_empty());
}

#[test]
fn every_cut_and_every_extension_is_refused() {
    let bytes = stored();
    for cut in 0..bytes.len() {
        assert!(CompactView::decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    assert!(matches!(
        CompactView::decode(&[bytes.as_slice(), b"x"].concat()),
        Err(DecodeError::Length(_))
    ));
}

#[test]
fn every_changed_byte_is_refused_or_read_safely() {
    let bytes = stored();
    for place in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut broken = bytes.clone();
            broken[place] = value;
            if let Ok(view) = CompactView::decode(&broken) {
                read_all(&view);
            }
        }
    }
}

#[test]
fn refusals_name_the_part() {
    /// Place of the byte, its new value, and what is then wrong.
    type Case = (usize, u8, fn(&DecodeError) -> bool);
    let cases: [Case; 5] = [
        (0, b'X', |error| *error == DecodeError::Magic),
        (3, 9, |error| *error == DecodeError::Format(9)),
        (30, 0xff, |error| {
            matches!(error, DecodeError::Limit { field: "number of endpoints", .. })
        }),
        (48 + 6, 9, |error| *error == DecodeError::Record(0)),
        (48 + 2, 0xff, |error| *error == DecodeError::Record(0)),
    ];
    for (place, value, expected) in cases {
        let mut broken = stored();
        broken[place] = value;
        let error = CompactView::decode(&broken).unwrap_err();
        assert!(expected(&error), "byte {place} = {value}: {error}");
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    fn any_report() -> impl Strategy<Value = EndpointReport> {
        let adapters = || proptest::collection::vec("[a-z]{1,3}", 0..4);
        let metrics = (any::<Option<u32>>(), any::<Option<u32>>(), any::<Option<u32>>());
        let shares = (proptest::option::of(0.0..=1.0), proptest::option::of(0.0..=1.0));
        let all = (any::<u16>(), 0..4_u8, metrics, shares, adapters(), adapters());
        all.prop_map(
            |(port, state, (waiting, running, age), (kv, gpu), running_names, waiting_names)| {
                let mut report = EndpointReport::new(
                    format!("10.0.0.1:{}", port.max(1)),
                    EndpointState::from_byte(state).unwrap(),
                );
                (report.waiting, report.running, report.age_ms) =
                    (waiting, running, age.map(u64::from));
                (report.kv_cache_use, report.gpu_use) = (kv, gpu);
                (report.running_adapters, report.waiting_adapters) = (running_names, waiting_names);
                report
            },
        )
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(view) = CompactView::decode(&bytes) {
                read_all(&view);
            }
        }

        #[test]
        fn arbitrary_records_behind_a_good_header_never_panic(
            tail in proptest::collection::vec(any::<u8>(), 0..400),
            counts in proptest::collection::vec(0..6_u32, 5),
        ) {
            let mut bytes = stored()[..28].to_vec();
            bytes.extend(counts.iter().flat_map(|count| count.to_le_bytes()));
            bytes.extend(tail);
            if let Ok(view) = CompactView::decode(&bytes) {
                read_all(&view);
            }
        }

        #[test]
        fn what_is_encoded_is_what_is_decoded(
            mut endpoints in proptest::collection::vec(any_report(), 0..20)
        ) {
            endpoints.sort_by(|left, right| left.address.cmp(&right.address));
            endpoints.dedup_by(|left, right| left.address == right.address);
            let pool = "p".to_owned();
            let message = SnapshotMessage { version: 1, pool, epoch: 1, sequence: 2, endpoints };
            let view = CompactView::decode(&encode(&message, 3).unwrap()).unwrap();
            prop_assert_eq!(view.endpoints().len(), message.endpoints.len());
            for (record, report) in view.endpoints().iter().zip(&message.endpoints) {
                let name = |id: &u16| view.adapter_name(*id).unwrap().to_vec();
                let names = |ids: &[u16]| ids.iter().map(name).collect::<Vec<_>>();
                let expected = |names: &[String]| -> Vec<Vec<u8>> {
                    names.iter().map(|name| name.as_bytes().to_vec()).collect()
                };
                let (running, waiting) = (view.running_adapters(record), view.waiting_adapters(record));
                prop_assert_eq!(view.address(record), report.address.as_bytes());
                prop_assert_eq!(record.state, report.state);
                prop_assert_eq!((record.waiting, record.running), (report.waiting, report.running));
                prop_assert_eq!(record.age_ms.map(u64::from), report.age_ms);
                prop_assert_eq!(record.kv_cache_use, report.kv_cache_use.map(|used| used as f32));
                prop_assert_eq!(record.gpu_use, report.gpu_use.map(|used| used as f32));
                prop_assert_eq!(names(running), expected(&report.running_adapters));
                prop_assert_eq!(names(waiting), expected(&report.waiting_adapters));
            }
        }
    }
}
