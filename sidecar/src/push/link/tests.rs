use std::io::ErrorKind;

use super::*;
use crate::client::ClientError;
use weir_settings::sidecar::SidecarSettings;

fn link() -> Link {
    let yaml = b"{gateways: ['http://127.0.0.1:1'],
                  pools: {p: {endpoints: [{address: '127.0.0.1:2'}]}}}";
    let settings = SidecarSettings::from_yaml(yaml).unwrap();
    let mismatches = Arc::new(Mismatches::new(settings.gateways[0].to_string()));
    let pool = ("p", settings.pools[0].poll_interval);
    let spending = Arc::new(Spending::new(settings.gateways[0].to_string()));
    Link::new(pool, Duration::from_millis(100), (&mismatches, &spending), None)
}

fn taken(sequence: u64) -> Result<Accepted, PushError> {
    let endpoint = EndpointFeedback {
        address: "127.0.0.1:2".into(),
        in_flight: 4,
        dispatched: 9,
        prefill_tokens: 5,
        decode_tokens: 6,
    };
    let (pool, endpoints) = ("p".into(), vec![endpoint]);
    Ok(Accepted { accepted: true, pool, sequence, endpoints, ..Accepted::default() })
}

fn refused() -> Result<Accepted, PushError> {
    Err(ClientError::Connect(ErrorKind::ConnectionRefused.into()).into())
}

#[test]
fn a_gateway_is_behind_until_it_takes_a_snapshot_and_when_it_stops_to() {
    let link = link();
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    assert_eq!(link.behind(at(0)).unwrap(), "no snapshot taken yet");
    link.record(refused(), at(0), Duration::ZERO);
    let reason = link.behind(at(0)).unwrap();
    assert_eq!(reason, "no snapshot taken yet: cannot connect: connection refused");
    link.record(taken(1), at(10), Duration::ZERO);
    assert_eq!(link.behind(at(20)), None);
    link.record(refused(), at(30), Duration::ZERO);
    assert_eq!(link.behind(at(2010)), None);
    let reason = link.behind(at(2011)).unwrap();
    assert!(reason.starts_with("last snapshot taken 2001 ms ago, at most 2000: "), "{reason}");
}

#[test]
fn the_last_reply_is_kept_through_failures() {
    let link = link();
    link.record(taken(7), Instant::now(), Duration::ZERO);
    link.record(refused(), Instant::now(), Duration::ZERO);
    link.inspect(|status| {
        let accepted = status.accepted.as_ref().unwrap();
        assert_eq!((accepted.sequence, accepted.feedback[0].in_flight), (7, 4));
        assert!(status.error.is_some());
        let counts: Vec<u64> = status.outcomes().map(|(_, count)| count).collect();
        assert_eq!(counts[..2], [1, 1]);
        assert_eq!(status.durations.count(), 2);
    });
}

#[test]
fn a_gateway_that_has_another_sidecar_is_not_behind() {
    let (link, start) = (link(), Instant::now());
    let at = |ms| start + Duration::from_millis(ms);
    let standby = || Err(PushError::Standby { message: "epoch: 1, another sidecar".into() });
    link.record(standby(), at(0), Duration::ZERO);
    assert_eq!(link.behind(at(2000)), None);
    let reason = link.behind(at(2001)).unwrap();
    assert!(reason.starts_with("no snapshot taken yet: standing by: another sidecar"), "{reason}");
}
