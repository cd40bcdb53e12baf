//! Fits the coefficients of weir-tokens to what a real vocabulary (o200k) makes of a corpus.
//!
//! `cargo run --release -- CORPUS` where `CORPUS/GROUP/*.txt` are texts. Prints the error of a
//! five-fold cross-validation by group, then the coefficients of all texts together for
//! `src/model.rs`. `corpus.py` gathers one; any will do that mixes prose of many languages, code, data
//! and chat.

mod solve;

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs, io};

use weir_tokens::TextCounter;

const FOLDS: usize = 5;
/// Texts are cut into pieces of about so many characters: a question, a page, a document.
const LENGTHS: [usize; 3] = [300, 1500, 8000];

/// One piece of text.
struct Sample {
    group: String,
    fold: usize,
    features: Vec<f64>,
    tokens: f64,
    bytes: f64,
}

fn main() -> io::Result<()> {
    let corpus = env::args().nth(1).expect("the folder of the corpus");
    let samples = load(Path::new(&corpus))?;
    let mut errors: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut naive = Vec::new();
    for fold in 0..FOLDS {
        let (test, train): (Vec<&Sample>, Vec<&Sample>) =
            samples.iter().partition(|sample| sample.fold == fold);
        let model = fit(&train);
        for sample in test {
            let predicted = solve::dot(&model, &sample.features);
            let error = (predicted - sample.tokens) / sample.tokens;
            errors.entry(&sample.group).or_default().push(error);
            naive.push((sample.bytes / 4.0 - sample.tokens) / sample.tokens);
        }
    }
    for (group, errors) in &errors {
        report(group, errors);
    }
    report("ALL", &errors.values().flatten().copied().collect::<Vec<_>>());
    report("bytes/4", &naive);
    let every: Vec<&Sample> = samples.iter().collect();
    println!("{:?}", fit(&every).iter().map(|c| (c * 1e4).round() / 1e4).collect::<Vec<_>>());
    Ok(())
}

fn load(corpus: &Path) -> io::Result<Vec<Sample>> {
    let vocabulary = tiktoken_rs::o200k_base().expect("the vocabulary is in the crate");
    let mut samples = Vec::new();
    for group in fs::read_dir(corpus)? {
        let group = group?;
        let name = group.file_name().to_string_lossy().into_owned();
        for (index, file) in fs::read_dir(group.path())?.enumerate() {
            let text: Vec<char> = fs::read_to_string(file?.path())?.chars().collect();
            for length in LENGTHS {
                for piece in text.chunks(length).filter(|piece| piece.len() > length / 2).take(6) {
                    let piece: String = piece.iter().collect();
                    let tokens = vocabulary.encode_ordinary(&piece).len() as f64;
                    let mut counter = TextCounter::new();
                    counter.push(piece.as_bytes());
                    let counts = counter.counts();
                    samples.push(Sample {
                        group: name.clone(),
                        fold: index % FOLDS,
                        features: counts.features().iter().map(|n| *n as f64).collect(),
                        tokens,
                        bytes: piece.len() as f64,
                    });
                }
            }
        }
    }
    Ok(samples)
}

/// How much a group counts, `KIND-LANGUAGE` or `code-LANGUAGE`: what gateways see most counts most.
fn importance(group: &str) -> f64 {
    let (kind, language) = group.split_once('-').unwrap_or((group, ""));
    match kind {
        "base64" | "json" => 6.0,
        "code" | "markdown" | "chat" => 4.0,
        // One page each.
        "tale" => 0.1,
        _ if ["en", "de", "fr", "es", "zh", "ja", "ko"].contains(&language) => 3.0,
        _ => 0.5,
    }
}

fn fit(samples: &[&Sample]) -> Vec<f64> {
    let mut sizes: BTreeMap<&str, f64> = BTreeMap::new();
    for sample in samples {
        *sizes.entry(&sample.group).or_default() += 1.0;
    }
    let rows: Vec<(&[f64], f64, f64)> = samples
        .iter()
        .map(|s| (&s.features[..], s.tokens, importance(&s.group) / sizes[s.group.as_str()]))
        .collect();
    solve::least_relative_error(&rows)
}

fn report(group: &str, errors: &[f64]) {
    let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let mean = sizes.iter().sum::<f64>() / sizes.len() as f64;
    let bias = errors.iter().sum::<f64>() / errors.len() as f64;
    let p95 = sizes[(sizes.len() * 95 / 100).min(sizes.len() - 1)];
    println!(
        "{group:16} {:6} samples  mean |error| {:5.1} %  p95 {:5.1} %  bias {:+5.1} %",
        sizes.len(),
        mean * 100.0,
        p95 * 100.0,
        bias * 100.0,
    );
}
