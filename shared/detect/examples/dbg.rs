//! debug
use weir_detect::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let t = std::fs::read_to_string(&a[1]).unwrap();
    let p = Policy::default();
    let n: usize = a[2].parse().unwrap();
    let i = std::time::Instant::now();
    let mut c = 0;
    for _ in 0..n {
        c += p.inspect(&t, Direction::Response, &mut Pseudonyms::default()).applied.len();
    }
    println!("{c} {:.1} MB/s", (t.len() * n) as f64 / i.elapsed().as_secs_f64() / 1e6);
}
