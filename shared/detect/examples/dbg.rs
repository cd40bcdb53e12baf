//! debug
use std::sync::Arc;
use std::time::Instant;
use weir_detect::*;
fn main() {
    let p = Arc::new(Policy::default());
    for u in [
        "a",
        "0",
        "Ab1+",
        "a@b.co/",
        "x:y=",
        "9-",
        "é",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
        "1 ",
        "http://a:b@c/",
        "&#52;",
        "%41",
        "eyJ.",
        "<",
        "(((",
        "sk-",
        "password=",
        "1.2.3.4",
        "a1b2:",
        "１",
    ] {
        let t = u.repeat(100000 / u.len());
        let i = Instant::now();
        let n = p.inspect(&t, Direction::Request, &mut Pseudonyms::default()).applied.len();
        let e = i.elapsed();
        let mut s = p.inspector(Direction::Request, false, None);
        let i = Instant::now();
        let mut m = 0;
        for c in t.as_bytes().chunks(60) {
            if let Ok(c) = std::str::from_utf8(c) {
                m += s.push(c, &mut Pseudonyms::default()).applied.len();
            }
        }
        println!(
            "{u:?} {:.1} MB/s n={n}  stream {:.2} MB/s m={m}",
            0.1 / e.as_secs_f64(),
            0.1 / i.elapsed().as_secs_f64()
        );
    }
}
