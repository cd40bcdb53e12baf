use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use weir_settings::sidecar::ModelServerKind;
use weir_snapshot::{EndpointReport, EndpointState};

use super::super::model_server::{Meaning, Series};
use super::*;

fn vllm() -> Option<Arc<ModelServer>> {
    ModelServer::of(ModelServerKind::Vllm)
}

/// The same without the server.
fn read(server: Option<Arc<ModelServer>>, page: &[u8]) -> Result<Page, PageError> {
    super::read(server.as_ref(), page).map(|(page, _)| page)
}

/// What was read, in the form of the expectation files.
fn shown(result: Result<Page, PageError>) -> Value {
    let page = match result {
        Ok(page) => page,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    let mut report = EndpointReport::new("", EndpointState::Ready);
    page.metrics.fill(&mut report);
    let mut fields: Map<String, Value> =
        serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    fields.retain(|name, _| name != "address" && name != "state");
    if let Some(flaw) = page.flaw {
        fields.insert("flaw".into(), flaw.to_string().into());
    }
    fields.into()
}

fn pages() -> Vec<PathBuf> {
    pages_in("../testdata/sidecar")
}

fn pages_in(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "prom")).collect()
}

#[test]
fn every_kept_page_is_read_as_its_expectation_says() {
    let pages = pages();
    assert!(pages.len() >= 20, "{} pages", pages.len());
    for path in pages {
        let page = std::fs::read(&path).unwrap();
        let expected = std::fs::read_to_string(path.with_extension("json")).unwrap();
        let expected: Value = serde_json::from_str(&expected).unwrap();
        assert_eq!(shown(read(vllm(), &page)), expected, "{}", path.display());
    }
}

#[test]
fn a_page_of_every_server_is_known_by_its_names_and_what_it_lacks_is_unknown() {
    let pages = pages_in("../testdata/sidecar/servers");
    assert!(pages.len() >= 10, "{} pages", pages.len());
    for path in pages {
        let page = std::fs::read(&path).unwrap();
        let expected = std::fs::read_to_string(path.with_extension("json")).unwrap();
        let mut found = shown(read(None, &page));
        let server = ModelServer::detect(lines(std::str::from_utf8(&page).unwrap())).unwrap();
        found["server"] = server.name.into();
        let expected: Value = serde_json::from_str(&expected).unwrap();
        assert_eq!(found, expected, "{}", path.display());
    }
}

#[test]
fn a_page_of_no_known_server_is_refused_and_vllms_is_found_among_others() {
    let page =
        b"# nothing\nprocess_open_fds 3\nnum_requests 5\nvllm:num_requests_running_total 9\n";
    let error = read(None, page).unwrap_err().to_string();
    assert_eq!(
        error,
        "the page has neither waiting nor running requests of any known model server"
    );
    for path in self::pages() {
        let page = std::fs::read(&path).unwrap();
        if let Ok(expected) = read(vllm(), &page) {
            assert_eq!(read(None, &page), Ok(expected), "{}", path.display());
        }
    }
}

#[test]
fn a_page_cut_anywhere_is_no_panic_and_never_exceeds_the_whole() {
    let whole = std::fs::read(pages().iter().find(|path| path.ends_with("full.prom")).unwrap());
    let whole = whole.unwrap();
    for end in 0..whole.len() {
        if let Ok(page) = read(vllm(), &whole[..end]) {
            assert!(page.metrics.running.is_none_or(|running| running <= 12), "{end}");
        }
    }
}

#[test]
fn what_tells_a_restart_is_read_and_a_flaw_in_it_degrades_nothing() {
    let page = |more: &str| {
        let page = format!("vllm:num_requests_running 1\n{more}");
        let page = read(vllm(), page.as_bytes()).unwrap();
        assert_eq!(page.flaw, None, "{more}");
        (page.life.started, page.life.counted)
    };
    let counters = "vllm:prompt_tokens_total{engine=\"0\"} 7\nvllm:prompt_tokens_total{engine=\"1\"} 5.0\n\
                    vllm:generation_tokens_total 1e3\nvllm:prompt_tokens_created 99\n";
    let started = "process_start_time_seconds 1.7640e+09\n";
    assert_eq!(page(""), (None, None));
    assert_eq!(page(counters), (None, Some(1012.0)));
    assert_eq!(page(&format!("{started}{counters}")), (Some(1_764_000_000.0), Some(1012.0)));
    for flawed in ["process_start_time_seconds NaN\n", "vllm:prompt_tokens_total{ 3\n"] {
        assert_eq!(page(&format!("{started}{counters}{flawed}")), (None, None), "{flawed}");
    }
}

#[test]
fn one_series_name_can_have_several_meanings_by_label() {
    let by_label = |value: &'static str, meaning| Series {
        name: "requests".into(),
        labels: vec![("type".into(), value.into())],
        scale: 1.0,
        meaning,
    };
    let series =
        vec![by_label("waiting", Meaning::Waiting), by_label("scheduled", Meaning::Running)];
    let server = ModelServer { name: "test", prefix: "requests", filters: false, series };
    let page = b"requests{type=\"waiting\"} 2\nrequests{type=\"scheduled\"} 5\nrequests 9\n";
    assert_eq!(shown(read(Some(Arc::new(server)), page)), json!({ "waiting": 2, "running": 5 }));
}

#[test]
fn a_mapping_says_what_the_series_of_any_other_server_mean() {
    let yaml = b"gateways: ['unix:/x']\npools:\n  p:\n    endpoints: [{address: '10.0.0.1:1'}]\n    series:\n\
        \x20     waiting: {name: queue_depth, labels: {queue: main}}\n      running: {name: busy_slots}\n\
        \x20     kv_cache_use: {name: cache_percent, scale: 0.01}\n";
    let settings = weir_settings::sidecar::SidecarSettings::from_yaml(yaml).unwrap();
    let server = ModelServer::of_pool(&settings.pools[0]);
    let page = b"queue_depth{queue=\"main\"} 4\nqueue_depth{queue=\"batch\"} 90\nbusy_slots 3\n\
        cache_percent{gpu=\"0\"} 40\ncache_percent{gpu=\"1\"} 60\nvllm:num_requests_waiting 77\n";
    let expected = json!({ "waiting": 4, "running": 3, "kv_cache_use": 0.5 });
    assert_eq!(shown(read(server.clone(), page)), expected);
    let percent = b"busy_slots 3\ncache_percent 140\n";
    let expected = json!({ "running": 3, "flaw": "cache_percent is out of range" });
    assert_eq!(shown(read(server.clone(), percent)), expected);
    let error = read(server, b"vllm:num_requests_waiting 1\n").unwrap_err().to_string();
    assert_eq!(error, "the page has neither waiting nor running requests of the pool's series");
}

#[test]
fn a_series_that_stands_twice_counts_once_and_is_told_of() {
    let page =
        b"vllm:num_requests_waiting{engine=\"0\"} 3\nvllm:num_requests_waiting{engine=\"0\"} 3\n\
        vllm:num_requests_waiting{engine=\"1\"} 2\n";
    let flaw = "vllm:num_requests_waiting stands twice with the same labels";
    assert_eq!(shown(read(vllm(), page)), json!({ "waiting": 5, "flaw": flaw }));
}

#[test]
fn first_tokens_are_counted_and_nonsense_in_them_marks_nobody() {
    let page =
        b"vllm:num_requests_waiting 1\nvllm:time_to_first_token_seconds_count{engine=\"0\"} 10\n\
        vllm:time_to_first_token_seconds_count{engine=\"1\"} 5\n\
        vllm:time_to_first_token_seconds_sum 3.5\nvllm:request_queue_time_seconds_sum NaN\n";
    let page = read(vllm(), page).unwrap();
    assert_eq!(page.flaw, None);
    let found = page.metrics.first_tokens.unwrap();
    assert_eq!((found.count, found.seconds, found.queued_seconds), (15.0, 3.5, None));
}

proptest! {
    #[test]
    fn no_bytes_panic(page in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(vllm(), &page);
    }

    #[test]
    fn no_page_of_known_names_panics_or_leaves_the_range(
        lines in proptest::collection::vec((0..6_usize, "(\\{[a-z_]{1,18}=\"[0-9,a-z]{0,6}\"\\})? ?[-+0-9.eNaInf]{0,8}"), 0..12)
    ) {
        let page: String = lines
            .iter()
            .map(|(series, rest)| format!("{}{rest}\n", vllm().unwrap().series[*series].name))
            .collect();
        if let Ok(page) = read(vllm(), page.as_bytes()) {
            prop_assert!(page.metrics.kv_cache_use.is_none_or(|share| (0.0..=1.0).contains(&share)));
        }
    }

    #[test]
    fn engines_are_summed(waiting in proptest::collection::vec(0..1000_u32, 1..9)) {
        let page: String = waiting
            .iter()
            .enumerate()
            .map(|(engine, count)| format!("vllm:num_requests_waiting{{engine=\"{engine}\"}} {count}.0\n"))
            .collect();
        let page = read(vllm(), page.as_bytes()).unwrap();
        prop_assert_eq!(page.metrics.waiting, Some(waiting.iter().sum()));
    }
}
