//! How far runs of characters reach. Each is walked once, however many tokens may begin in it: text
//! that is nothing but beginnings of tokens would else be walked to a run's end from each.

use super::encoded;

/// The characters that the tokens of an issuer are made of.
#[derive(Clone, Copy)]
pub(super) enum Alphabet {
    Alnum,
    Letters,
    Hex,
    Word,
    Dotted,
    Base64,
    LowerHex,
    LowerAlnum,
    UpperAlnum,
    UpperDash,
    /// Base32, upper case (RFC 4648, 6).
    Base32,
}

impl Alphabet {
    const COUNT: usize = 11;

    fn has(self, byte: u8) -> bool {
        CLASSES.get(usize::from(byte)).is_some_and(|bits| bits >> self as u16 & 1 == 1)
    }
}

/// One bit an alphabet.
#[expect(clippy::indexing_slicing, reason = "a constant: a wrong index would not compile")]
static CLASSES: [u16; 256] = {
    let mut table = [0; 256];
    let mut place = 0;
    while place < 256 {
        let b = place as u8;
        let (alnum, dash) = (b.is_ascii_alphanumeric(), b == b'-');
        let (upper, digit) = (b.is_ascii_uppercase(), b.is_ascii_digit());
        let word = alnum || dash || b == b'_';
        table[place] = (alnum as u16) << Alphabet::Alnum as u16
            | (b.is_ascii_alphabetic() as u16) << Alphabet::Letters as u16
            | (b.is_ascii_hexdigit() as u16) << Alphabet::Hex as u16
            | (word as u16) << Alphabet::Word as u16
            | ((word || b == b'.') as u16) << Alphabet::Dotted as u16
            | ((word || matches!(b, b'+' | b'/' | b'=')) as u16) << Alphabet::Base64 as u16
            | (matches!(b, b'0'..=b'9' | b'a'..=b'f') as u16) << Alphabet::LowerHex as u16
            | ((digit || b.is_ascii_lowercase()) as u16) << Alphabet::LowerAlnum as u16
            | ((digit || upper) as u16) << Alphabet::UpperAlnum as u16
            | ((digit || upper || dash) as u16) << Alphabet::UpperDash as u16
            | ((upper || matches!(b, b'2'..=b'7')) as u16) << Alphabet::Base32 as u16;
        place += 1;
    }
    table
};

/// What is known of the runs of a text, to be asked for places that mostly rise.
pub(super) struct Runs<'t> {
    text: &'t [u8],
    /// Start and end of the last run of each alphabet.
    last: [(usize, usize); Alphabet::COUNT],
    headers: Headers,
}

impl<'t> Runs<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { text, last: [(0, 0); Alphabet::COUNT], headers: Headers::default() }
    }

    /// Everything from `at` on.
    pub(super) fn from(&self, at: usize) -> &'t [u8] {
        self.text.get(at..).unwrap_or_default()
    }

    /// How many characters of `alphabet` stand at `from`.
    pub(super) fn length(&mut self, alphabet: Alphabet, from: usize) -> usize {
        let Some(last) = self.last.get_mut(alphabet as usize) else { return 0 };
        let (start, end) = *last;
        if (start..end).contains(&from) {
            return end - from;
        }
        let known = if from < start { start } else { self.text.len() };
        let walked = self.text.get(from..known).unwrap_or_default();
        let mut length = walked.iter().take_while(|byte| alphabet.has(**byte)).count();
        if from < start && length == walked.len() {
            length = end - from;
        }
        *last = (from, from + length);
        length
    }

    /// Whether the header of a JSON Web Token that stands at `start`, of so many Base64url
    /// characters, decodes to something with a member `alg`.
    pub(super) fn header_names_algorithm(&mut self, start: usize, length: usize) -> bool {
        let header = self.text.get(start..start + length).unwrap_or_default();
        self.headers.names_algorithm(start, header)
    }
}

/// What the Base64 up to the end of a run holds, for each of the four ways to cut it into groups of
/// four characters.
#[derive(Default)]
struct Headers {
    /// Where that run ends.
    end: usize,
    /// The character whose group the last `"alg"` begins in; none where there is no `"alg"`.
    last: [Option<Option<usize>>; 4],
}

impl Headers {
    fn names_algorithm(&mut self, start: usize, header: &[u8]) -> bool {
        let end = start + header.len();
        if self.end != end {
            *self = Self { end, ..Self::default() };
        }
        let Some(last) = self.last.get_mut(start % 4) else { return false };
        // What a later start of the same groups decodes to is the end of it.
        let last = last.get_or_insert_with(|| {
            let decoded = encoded::base64(header)?;
            let place = memchr::memmem::rfind(&decoded, b"\"alg\"")?;
            Some(start + place / 3 * 4)
        });
        last.is_some_and(|last| last >= start)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const ALPHABETS: [Alphabet; 4] =
        [Alphabet::Word, Alphabet::Alnum, Alphabet::Hex, Alphabet::Base64];

    #[test]
    fn a_run_is_as_long_as_when_it_is_walked_in_whatever_order_places_are_asked_for() {
        let text = b"eyJ-abc.dEf_0123/==x yz-";
        let mut runs = Runs::new(text);
        for step in 0..4000_usize {
            let (at, alphabet) = (step * 7 % 25, ALPHABETS[step / 3 % 4]);
            let walked = text[at.min(text.len())..].iter().take_while(|b| alphabet.has(**b));
            assert_eq!(runs.length(alphabet, at), walked.count(), "{step}");
        }
    }

    #[test]
    fn a_header_names_its_algorithm_where_it_decodes_to_that() {
        // `{"alg":"x","typ":1}` behind some beginnings of headers, in each alignment.
        for lead in ["", "-", "--", "---", "eyJ-eyJ_eyJxeyJ0eyJ-"] {
            let text = format!("{lead}eyJhbGciOiJ4IiwidHlwIjoxfQeyJ-eyJ_eyJhbGeyJhbGci.");
            let (mut runs, end) = (Runs::new(text.as_bytes()), text.len() - 1);
            for start in 0..end {
                let decoded = encoded::base64(&text.as_bytes()[start..end]);
                let named = decoded.is_some_and(|d| memchr::memmem::find(&d, b"\"alg\"").is_some());
                assert_eq!(
                    runs.header_names_algorithm(start, end - start),
                    named,
                    "{lead} {start}"
                );
            }
        }
    }
}
