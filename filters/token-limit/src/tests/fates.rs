//! What becomes of a reservation.

use super::*;

/// How an exchange ends.
type End = fn(&Worker, Box<dyn HttpContext>);

fn whole(worker: &Worker, stream: Box<dyn HttpContext>) {
    worker.answer(stream, "200", USAGE);
}

fn without_usage(worker: &Worker, stream: Box<dyn HttpContext>) {
    worker.answer(stream, "200", &format!(r#"{{"text":"{}"}}"#, "x".repeat(89)));
}

fn upstream_error(worker: &Worker, stream: Box<dyn HttpContext>) {
    worker.answer(stream, "503", r#"{"error":{"message":"no"},"usage":{"prompt_tokens":9}}"#);
}

fn bad_request(worker: &Worker, stream: Box<dyn HttpContext>) {
    worker.answer(stream, "400", r#"{"error":{"message":"too long"}}"#);
}

fn cut_before_the_end(worker: &Worker, mut stream: Box<dyn HttpContext>) {
    worker.open(stream.as_mut(), "200", "text/event-stream");
    worker.piece(stream.as_mut(), b"data: {}\n\ndata: {}\n\ndata: {}\n\n", false);
    stream.on_end();
}

fn cut_after_the_headers(worker: &Worker, mut stream: Box<dyn HttpContext>) {
    worker.open(stream.as_mut(), "200", "text/event-stream");
    stream.on_end();
}

fn cut_after_the_prompts_usage(worker: &Worker, mut stream: Box<dyn HttpContext>) {
    worker.open(stream.as_mut(), "200", "text/event-stream");
    let first = "data: {\"message\":{\"usage\":{\"input_tokens\":30,\"output_tokens\":1}}}\n\n";
    worker.piece(stream.as_mut(), first.as_bytes(), false);
    worker.piece(stream.as_mut(), b"data: {}\n\ndata: {}\n\n", false);
    stream.on_end();
}

fn client_left(_: &Worker, mut stream: Box<dyn HttpContext>) {
    stream.on_end();
}

fn vm_lost(_: &Worker, stream: Box<dyn HttpContext>) {
    // No callback ever comes.
    drop(stream);
}

fn ended_by_trailers(worker: &Worker, mut stream: Box<dyn HttpContext>) {
    worker.open(stream.as_mut(), "200", "application/json");
    worker.piece(stream.as_mut(), USAGE.as_bytes(), false);
    stream.on_http_response_trailers(1);
    stream.on_end();
}

fn without_a_body(worker: &Worker, mut stream: Box<dyn HttpContext>) {
    worker.host.set_header(HeaderMap::Response, ":status", b"204").unwrap();
    stream.on_http_response_headers(1, true);
    stream.on_end();
}

#[test]
fn each_way_to_end_has_its_charge() {
    let prompt = estimated();
    let cases: [(&str, End, (u64, u64), &str); 11] = [
        ("usage", whole, (27, 0), "usage"),
        // A body of 100 bytes, of which five are taken for a token.
        ("no usage", without_usage, (prompt + 20, 0), "sight"),
        ("upstream error", upstream_error, (0, 0), "nothing"),
        ("bad request", bad_request, (0, 0), "nothing"),
        ("cut", cut_before_the_end, (prompt + 3, 0), "sight"),
        ("cut after headers", cut_after_the_headers, (prompt, 0), "sight"),
        ("cut after usage", cut_after_the_prompts_usage, (30 + 3, 0), "usage"),
        ("client left", client_left, (prompt, 0), "sight"),
        ("vm lost", vm_lost, (0, prompt + 50), ""),
        ("trailers", ended_by_trailers, (27, 0), "usage"),
        ("no body", without_a_body, (prompt, 0), "sight"),
    ];
    for (name, end, expected, basis) in cases {
        let mut worker = Worker::new(&config(TOKENS));
        let stream = worker.send(&CHAT).unwrap();
        assert_eq!(worker.owed(), (0, prompt + 50), "{name}");
        end(&worker, stream);
        assert_eq!(worker.owed(), expected, "{name}");
        for by in ["usage", "sight", "nothing"] {
            let counted = worker.host.metric(&format!("weir_limit_settled_total.by.{by}"));
            assert_eq!(counted, (by == basis).then_some(1), "{name}: {by}");
        }
        assert!(worker.host.logs().is_empty(), "{name}: {:?}", worker.host.logs());
    }
}

#[test]
fn what_nobody_settles_is_charged_in_full_when_it_expires() {
    let mut worker =
        Worker::new(&config(r#"{"name":"day","tokens":1000,"window":"1d","reserve":"full"}"#));
    drop(worker.send(&CHAT).unwrap());
    let (_, reserved) = worker.owed();
    worker.now(2 * 300_000);
    // Of a thousand a day, seven drain in ten minutes.
    let (debt, left) = worker.owed();
    assert!(left == 0 && (reserved - 8..=reserved).contains(&debt), "{debt} of {reserved}");
}

#[test]
fn a_stream_that_goes_on_keeps_its_reservation() {
    let mut worker = Worker::new(&config(TOKENS));
    let mut stream = worker.send(&STREAM).unwrap();
    let (_, reserved) = worker.owed();
    worker.open(stream.as_mut(), "200", "text/event-stream");
    for minute in 1..=60 {
        worker.now(minute * 60_000);
        worker.piece(stream.as_mut(), b"data: {}\n\n", false);
        assert_eq!(worker.owed(), (0, reserved), "after {minute} minutes");
    }
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":60}}\n\n";
    worker.piece(stream.as_mut(), usage.as_bytes(), true);
    assert_eq!(worker.owed(), (80, 0));
}

#[test]
fn a_request_under_way_is_one_until_it_ends_in_whatever_way() {
    let limits = r#"{"name":"two","concurrent":2,"per":["consumer"]}"#;
    for end in [whole as End, upstream_error, cut_before_the_end, client_left] {
        let mut worker = Worker::new(&config(limits));
        let first = worker.send(&CHAT).unwrap();
        let _second = worker.send(&CHAT).unwrap();
        assert!(worker.send(&CHAT).is_none());
        assert!(worker.send(&Request { consumer: "bob", ..CHAT }).is_some());
        end(&worker, first);
        assert!(worker.send(&CHAT).is_some());
        assert!(worker.send(&CHAT).is_none());
    }
}

#[test]
fn a_request_counts_when_it_is_admitted_whatever_becomes_of_it() {
    let mut worker = Worker::new(&config(r#"{"name":"r","requests":1,"window":"1m"}"#));
    let stream = worker.send(&CHAT).unwrap();
    upstream_error(&worker, stream);
    assert!(worker.send(&CHAT).is_none());
    let (status, code, headers) = worker.refusal();
    assert_eq!((status, code.as_str()), (429, "rate_limit_exceeded"));
    assert!(headers.contains(&("retry-after".to_owned(), "60".to_owned())), "{headers:?}");
}

#[test]
fn every_dialects_usage_is_charged_by_the_weight_of_its_types() {
    let weights = r#"{"name":"w","tokens":100000,"window":"1m",
        "weights":{"cached":"0.5","completion":2,"reasoning":10}}"#;
    let chat = r#""messages":[{"role":"user","content":"Hi"}]"#;
    for (path, body, answer, charge) in [
        (
            "/v1/chat/completions",
            format!(r#"{{"model":"m","n":3,{chat}}}"#),
            r#"{"usage":{"prompt_tokens":100,"prompt_tokens_details":{"cached_tokens":40},
               "completion_tokens":30,"completion_tokens_details":{"reasoning_tokens":10}}}"#,
            60 + 20 + 40 + 100,
        ),
        (
            "/v1/responses",
            r#"{"model":"m","input":"Hi"}"#.to_owned(),
            r#"{"usage":{"input_tokens":8,"input_tokens_details":{"cached_tokens":6},"output_tokens":3,
               "output_tokens_details":{"reasoning_tokens":1}}}"#,
            2 + 3 + 4 + 10,
        ),
        (
            "/v1/messages",
            format!(r#"{{"model":"m","max_tokens":9,{chat}}}"#),
            r#"{"usage":{"input_tokens":10,"cache_read_input_tokens":20,"cache_creation_input_tokens":5,
               "output_tokens":4}}"#,
            15 + 10 + 8,
        ),
        (
            "/v1beta/models/m:generateContent",
            r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#.to_owned(),
            r#"{"usageMetadata":{"promptTokenCount":12,"cachedContentTokenCount":8,
               "candidatesTokenCount":5,"thoughtsTokenCount":3}}"#,
            4 + 4 + 10 + 30,
        ),
        (
            "/v1/embeddings",
            r#"{"model":"m","input":"Hi"}"#.to_owned(),
            r#"{"data":[],"usage":{"prompt_tokens":6,"total_tokens":6}}"#,
            6,
        ),
    ] {
        let mut worker = Worker::new(&config(weights));
        let stream = worker.send(&Request { path, consumer: "ann", body: &body }).unwrap();
        worker.answer(stream, "200", answer);
        assert_eq!(worker.owed(), (charge, 0), "{path}");
    }
}

#[test]
fn a_usage_without_its_prompt_is_charged_with_the_estimate_of_that() {
    for prompt in ["", r#","prompt_tokens":0"#, r#","prompt_tokens":-1"#, r#","prompt_tokens":2.5"#]
    {
        let limit = r#"{"name":"d","tokens":1000,"window":"1m","reserve":"none"}"#;
        let mut worker = Worker::new(&config(limit));
        let stream = worker.send(&CHAT).unwrap();
        let (_, estimate) = worker.owed();
        assert!(estimate > 0);
        worker.answer(stream, "200", &format!(r#"{{"usage":{{"completion_tokens":4{prompt}}}}}"#));
        assert_eq!(worker.owed(), (estimate + 4, 0), "{prompt}");
    }
}

#[test]
fn the_estimate_of_a_model_follows_what_its_replicas_report() {
    let mut worker =
        Worker::new(&config(r#"{"name":"d","tokens":1000000,"window":"1s","reserve":"none"}"#));
    let words = "many words make a long prompt ".repeat(40);
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{words}"}}]}}"#);
    let request = Request { body: &body, ..CHAT };
    let mut reserved = Vec::new();
    for round in 0..200 {
        worker.now(round * 10_000);
        let stream = worker.send(&request).unwrap();
        reserved.push(worker.owed().1);
        worker.answer(stream, "200", r#"{"usage":{"prompt_tokens":400,"completion_tokens":1}}"#);
    }
    assert!(reserved[0] < 300 && reserved[199] > 380, "{} {}", reserved[0], reserved[199]);
}

#[test]
fn what_was_used_is_left_by_type_and_counted_by_limit() {
    let mut worker = Worker::new(&config(TOKENS));
    let stream = worker.send(&CHAT).unwrap();
    let usage = r#"{"usage":{"prompt_tokens":20,"prompt_tokens_details":{"cached_tokens":16},"completion_tokens":7}}"#;
    worker.answer(stream, "200", usage);
    let state = |key: &str| String::from_utf8(worker.host.state(key).unwrap().unwrap()).unwrap();
    assert_eq!(state("weir.tokens"), "prompt=20 cached=16 completion=7 reasoning=0");
    assert_eq!(state("weir.tokens_total"), "27");
    for (kind, count) in
        [("prompt", Some(4)), ("cached", Some(16)), ("completion", Some(7)), ("reasoning", None)]
    {
        let name = format!("weir_limit_tokens_total.limit.minute.type.{kind}");
        assert_eq!(worker.host.metric(&name), count, "{kind}");
    }
    let admitted = "weir_limit_requests_total.limit.minute.decision.admitted";
    assert_eq!(worker.host.metric(admitted), Some(1));
}

#[test]
fn consumers_are_counted_by_name_only_where_the_policy_says_so_and_only_so_many() {
    for shows in [false, true] {
        let policy = format!(r#""default":{{"show_consumers":{shows},"#);
        let mut worker = Worker::new(&config(TOKENS).replace(r#""default":{"#, &policy));
        for index in 0..70_u64 {
            worker.now(index * 60_000);
            let consumer = format!("team.{index}");
            let stream = worker.send(&Request { consumer: &consumer, ..CHAT }).unwrap();
            worker.answer(stream, "200", USAGE);
        }
        let count = |name: &str, kind: &str| {
            let name = format!("weir_limit_consumer_tokens_total.consumer.{name}.type.{kind}");
            worker.host.metric(&name)
        };
        assert_eq!(count("team_0", "prompt"), shows.then_some(20));
        assert_eq!(count("team_63", "completion"), shows.then_some(7));
        assert_eq!(count("team_64", "prompt"), None);
        assert_eq!(count("other", "prompt"), shows.then_some(6 * 20));
    }
}
