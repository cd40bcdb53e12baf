//! The compact form against broken bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing test may panic")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use weir_snapshot::{
    CompactView, DecodeError, EndpointHealth, EndpointReport, EndpointRole, EndpointState,
    SnapshotMessage, encode, view_json,
};

fn stored() -> Vec<u8> {
    let mut endpoints: Vec<EndpointReport> = (1..=3)
        .map(|host| EndpointReport::new(format!("10.0.0.{host}:80"), EndpointState::Ready))
        .collect();
    endpoints[1].running_adapters = vec!["law".to_owned(), "med".to_owned()];
    endpoints[2].waiting_adapters = vec!["med".to_owned()];
    endpoints[2].kv_cache_use = Some(0.5);
    endpoints[2].zone = Some("eu-1a".to_owned());
    endpoints[0].gpu_throttled = Some(true);
    let message = SnapshotMessage::new("llama", (1, 2), 9, endpoints);
    encode(&message, 3).unwrap()
}

/// Bytes before the sections: magic and format, stamp, two counts.
const HEADER: usize = 4 + 40 + 8;

/// Tags and payloads of a stored view.
fn sections(bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let (mut rest, mut found) = (&bytes[HEADER..], Vec::new());
    while !rest.is_empty() {
        let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let (tag, length) = (word(0), word(4) as usize);
        found.push((tag, rest[8..8 + length].to_vec()));
        rest = &rest[8 + length..];
    }
    found
}

/// The view of `stored` with other sections.
fn with_sections(stored: &[u8], sections: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = stored[..HEADER - 4].to_vec();
    bytes.extend((sections.len() as u32).to_le_bytes());
    for (tag, payload) in sections {
        bytes.extend(tag.to_le_bytes());
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(payload);
    }
    bytes
}

/// Reads everything that a view offers.
fn read_all(view: &CompactView) {
    for (index, record) in view.endpoints().iter().enumerate() {
        let zone = view.details(index).zone;
        assert!(zone.is_none_or(|id| view.zone_name(id).is_some()));
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
        (3, 1, |error| *error == DecodeError::Format(1)),
        (HEADER - 6, 0xff, |error| {
            matches!(error, DecodeError::Limit { field: "number of endpoints", .. })
        }),
        (HEADER - 4, 0xff, |error| {
            matches!(error, DecodeError::Limit { field: "number of sections", .. })
        }),
        (HEADER + 5, 0xff, |error| matches!(error, DecodeError::Length(_))),
    ];
    for (place, value, expected) in cases {
        let mut broken = stored();
        broken[place] = value;
        let error = CompactView::decode(&broken).unwrap_err();
        assert!(expected(&error), "byte {place} = {value}: {error}");
    }
}

#[test]
fn a_view_of_the_format_before_is_no_view() {
    let old = [b"WVS\x01".as_slice(), &[0; 44]].concat();
    assert_eq!(CompactView::decode(&old), Err(DecodeError::Format(1)));
}

#[test]
fn sections_may_come_in_any_order_and_unknown_ones_are_skipped() {
    let (bytes, view) = (stored(), CompactView::decode(&stored()).unwrap());
    let mut parts = sections(&bytes);
    parts.reverse();
    assert_eq!(CompactView::decode(&with_sections(&bytes, &parts)).as_ref(), Ok(&view));
    parts.insert(1, (0x999, b"a newer gateway says more".to_vec()));
    parts.push((0x1ff, Vec::new()));
    assert_eq!(CompactView::decode(&with_sections(&bytes, &parts)).as_ref(), Ok(&view));
}

#[test]
fn sections_that_stand_twice_or_do_not_fit_the_endpoints_are_refused() {
    let bytes = stored();
    let parts = sections(&bytes);
    let mut twice = parts.clone();
    twice.push(parts[0].clone());
    let error = CompactView::decode(&with_sections(&bytes, &twice));
    assert_eq!(error, Err(DecodeError::Section(parts[0].0)));
    for (index, (tag, payload)) in parts.iter().enumerate() {
        let mut short = parts.clone();
        short[index].1 = payload[..payload.len() - 1].to_vec();
        let result = CompactView::decode(&with_sections(&bytes, &short));
        // A pool's name of one byte less is a name, too.
        assert_eq!(result.is_err(), *tag != 1, "section {tag:#x}");
    }
}

#[test]
fn what_is_known_of_no_endpoint_takes_no_room() {
    let endpoints = |change: fn(&mut EndpointReport)| {
        let mut all: Vec<EndpointReport> = (1..=80)
            .map(|port| EndpointReport::new(format!("10.0.0.1:{port}"), EndpointState::Ready))
            .collect();
        change(&mut all[70]);
        encode(&SnapshotMessage::new("p", (1, 1), 0, all), 1).unwrap()
    };
    let (without, with) = (endpoints(|_| ()), endpoints(|one| one.gpu_failed = Some(true)));
    assert_eq!(with.len() - without.len(), 8 + 10 + 80 * 4);
    let view = CompactView::decode(&with).unwrap();
    assert_eq!(view.details(70).gpu_failed, Some(true));
    assert_eq!((view.details(69), view.details(999)), Default::default());
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

    /// The same with what is known besides.
    fn any_full_report() -> impl Strategy<Value = EndpointReport> {
        let some = proptest::option::of::<proptest::bool::Any>;
        let flags = (some(proptest::bool::ANY), some(proptest::bool::ANY));
        let numbers = (any::<Option<u32>>(), any::<Option<u32>>(), any::<Option<u32>>());
        let names = (0..4_usize, 0..3_usize, proptest::option::of("[a-c]{1,2}"));
        let share = proptest::option::of(0.0..=1.0);
        (any_report(), flags, numbers, names, share).prop_map(
            |(mut report, flags, numbers, (role, health, zone), share)| {
                (report.gpu_throttled, report.gpu_failed) = flags;
                report.in_flight_elsewhere = numbers.0;
                (report.generation, report.generation_age_ms) = (numbers.1, numbers.2);
                (report.prefill_tokens_elsewhere, report.decode_tokens_elsewhere) =
                    (numbers.1, numbers.2);
                report.role = EndpointRole::ALL.get(role).copied();
                report.health = EndpointHealth::ALL.get(health).copied();
                (report.zone, report.gpu_memory_use) = (zone, share);
                (report.gpu_tensor_active, report.gpu_dram_active) = (share, share);
                (report.gpu_temperature, report.gpu_power, report.gpu_xid) = numbers;
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
        fn arbitrary_bytes_behind_a_good_header_never_panic(
            tail in proptest::collection::vec(any::<u8>(), 0..400),
            counts in proptest::collection::vec(0..6_u32, 2),
        ) {
            let mut bytes = stored()[..HEADER - 8].to_vec();
            bytes.extend(counts.iter().flat_map(|count| count.to_le_bytes()));
            bytes.extend(tail);
            if let Ok(view) = CompactView::decode(&bytes) {
                read_all(&view);
            }
        }

        #[test]
        fn arbitrary_sections_never_panic(
            payloads in proptest::collection::vec(
                (proptest::sample::select(&[1, 2, 3, 4, 5, 6, 7, 8, 0x100, 0x103, 0x10b, 0x10c, 77][..]),
                 proptest::collection::vec(any::<u8>(), 0..60)),
                0..14,
            ),
            kept in any::<u16>(),
        ) {
            let bytes = stored();
            let good = sections(&bytes).into_iter().enumerate();
            let mut parts: Vec<_> = good.filter(|(at, _)| kept >> at & 1 == 1).map(|(_, p)| p).collect();
            for (tag, payload) in payloads {
                if parts.iter().all(|(other, _)| *other != tag) {
                    parts.push((tag, payload));
                }
            }
            if let Ok(view) = CompactView::decode(&with_sections(&bytes, &parts)) {
                read_all(&view);
            }
        }

        #[test]
        fn what_is_encoded_is_what_is_decoded(
            mut endpoints in proptest::collection::vec(any_full_report(), 0..20)
        ) {
            endpoints.sort_by(|left, right| left.address.cmp(&right.address));
            endpoints.dedup_by(|left, right| left.address == right.address);
            let message = SnapshotMessage::new("p", (1, 2), 3, endpoints);
            let view = CompactView::decode(&encode(&message, 3).unwrap()).unwrap();
            prop_assert_eq!(view.endpoints().len(), message.endpoints.len());
            for (index, (record, report)) in
                view.endpoints().iter().zip(&message.endpoints).enumerate()
            {
                let details = view.details(index);
                let zone = details.zone.map(|id| view.zone_name(id).unwrap().to_vec());
                prop_assert_eq!(zone, report.zone.clone().map(String::into_bytes));
                prop_assert_eq!((details.role, details.health), (report.role, report.health));
                prop_assert_eq!(details.gpu_throttled, report.gpu_throttled);
                prop_assert_eq!(details.gpu_failed, report.gpu_failed);
                let share = |share: Option<f64>| share.map(|share| share as f32);
                prop_assert_eq!(details.gpu_memory_use, share(report.gpu_memory_use));
                prop_assert_eq!(details.gpu_tensor_active, share(report.gpu_tensor_active));
                prop_assert_eq!(details.gpu_dram_active, share(report.gpu_dram_active));
                prop_assert_eq!(details.gpu_temperature, report.gpu_temperature);
                prop_assert_eq!((details.gpu_power, details.gpu_xid), (report.gpu_power, report.gpu_xid));
                prop_assert_eq!(details.in_flight_elsewhere, report.in_flight_elsewhere);
                prop_assert_eq!(details.prefill_tokens_elsewhere, report.prefill_tokens_elsewhere);
                prop_assert_eq!(details.decode_tokens_elsewhere, report.decode_tokens_elsewhere);
                prop_assert_eq!(view.generation(index), report.generation);
                prop_assert_eq!(view.generation_age_ms(index), report.generation_age_ms);
                let name = |id: &u16| view.adapter_name(*id).unwrap().to_vec();
                let names = |ids: &[u16]| ids.iter().map(name).collect::<Vec<_>>();
                let expected = |names: &[String]| -> Vec<Vec<u8>> {
                    names.iter().map(|name| name.as_bytes().to_vec()).collect()
                };
                let (running, waiting) = (view.running_adapters(record), view.waiting_adapters(record));
                prop_assert_eq!(view.address(record), report.address.as_bytes());
                prop_assert_eq!(record.state, report.state);
                prop_assert_eq!((record.waiting, record.running), (report.waiting, report.running));
                prop_assert_eq!(record.gpu_throttled, report.gpu_throttled == Some(true));
                prop_assert_eq!(record.gpu_failed, report.gpu_failed == Some(true));
                prop_assert_eq!(record.age_ms.map(u64::from), report.age_ms);
                prop_assert_eq!(record.kv_cache_use, report.kv_cache_use.map(|used| used as f32));
                prop_assert_eq!(record.gpu_use, report.gpu_use.map(|used| used as f32));
                prop_assert_eq!(names(running), expected(&report.running_adapters));
                prop_assert_eq!(names(waiting), expected(&report.waiting_adapters));
            }
        }
    }
}
