//! Prints how many o200k tokens each line of the standard input has (`\n` in it is a line break).

use std::io;

fn main() -> io::Result<()> {
    let vocabulary = tiktoken_rs::o200k_base().expect("the vocabulary is in the crate");
    for line in io::stdin().lines() {
        println!("{}", vocabulary.encode_ordinary(&line?.replace("\\n", "\n")).len());
    }
    Ok(())
}
