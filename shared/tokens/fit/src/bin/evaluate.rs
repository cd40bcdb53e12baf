//! Prints how far the estimate of weir-tokens is off for each group of a corpus laid out as for the
//! fitting program, in pieces of the same lengths.

use std::{env, fs, io};

use weir_tokens::{TextCounter, estimate};

fn main() -> io::Result<()> {
    let corpus = env::args().nth(1).expect("the folder of the corpus");
    let vocabulary = tiktoken_rs::o200k_base().expect("the vocabulary is in the crate");
    let mut groups: Vec<_> = fs::read_dir(corpus)?.collect::<Result<_, _>>()?;
    groups.sort_by_key(|group| group.file_name());
    let mut all: Vec<f64> = Vec::new();
    for group in groups {
        let mut errors: Vec<f64> = Vec::new();
        for file in fs::read_dir(group.path())? {
            let text: Vec<char> = fs::read_to_string(file?.path())?.chars().collect();
            for length in [300, 1500, 8000] {
                for piece in text.chunks(length).filter(|piece| piece.len() > length / 2).take(6) {
                    let piece: String = piece.iter().collect();
                    let tokens = vocabulary.encode_ordinary(&piece).len() as f64;
                    let mut counter = TextCounter::new();
                    counter.push(piece.as_bytes());
                    errors.push((f64::from(estimate(&counter.counts())) - tokens) / tokens);
                }
            }
        }
        report(&group.file_name().to_string_lossy(), &errors);
        all.extend(errors);
    }
    report("ALL", &all);
    Ok(())
}

fn report(group: &str, errors: &[f64]) {
    let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let Some(p95) = sizes.get(sizes.len() * 95 / 100) else { return };
    let mean = sizes.iter().sum::<f64>() / sizes.len() as f64;
    let bias = errors.iter().sum::<f64>() / errors.len() as f64;
    println!(
        "{group:16} {:6} samples  mean |error| {:5.1} %  p95 {:5.1} %  bias {:+5.1} %",
        sizes.len(),
        mean * 100.0,
        p95 * 100.0,
        bias * 100.0,
    );
}
