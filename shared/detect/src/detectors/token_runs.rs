//! How far runs of characters reach. Each is walked once, however many tokens may begin in it: text
//! that is nothing but beginnings of tokens would else be walked to a run's end from each.

use super::decode;

/// The characters that the tokens of an issuer are made of.
#[derive(Clone, Copy)]
pub(super) enum Alphabet {
    Alnum,
    Letters,
    Hex,
    /// Also underscores and dashes.
    Word,
    /// Also dots.
    Dotted,
    Base64,
    /// Base64url with its padding, and dots.
    Padded,
    LowerHex,
    /// UUIDs and what is written like them.
    HexDash,
    HexColon,
    LowerAlnum,
    /// Also dollar signs.
    Dollar,
    UpperAlnum,
    UpperDash,
    UpperWord,
    Percent,
    Path,
    /// Session ids of Salesforce.
    Session,
    /// Base32, upper case (RFC 4648, 6).
    Base32,
}

impl Alphabet {
    const COUNT: usize = Self::Base32 as usize + 1;

    fn has(self, byte: u8) -> bool {
        CLASSES.get(usize::from(byte)).is_some_and(|bits| bits >> self as u32 & 1 == 1)
    }

    const fn takes(self, b: u8) -> bool {
        let alnum = b.is_ascii_alphanumeric();
        let word = alnum || matches!(b, b'_' | b'-');
        let lower_hex = matches!(b, b'0'..=b'9' | b'a'..=b'f');
        let lower_alnum = b.is_ascii_digit() || b.is_ascii_lowercase();
        let upper_alnum = b.is_ascii_digit() || b.is_ascii_uppercase();
        match self {
            Self::Alnum => alnum,
            Self::Letters => b.is_ascii_alphabetic(),
            Self::Hex => b.is_ascii_hexdigit(),
            Self::Word => word,
            Self::Dotted => word || b == b'.',
            Self::Base64 => word || matches!(b, b'+' | b'/' | b'='),
            Self::Padded => word || matches!(b, b'.' | b'='),
            Self::LowerHex => lower_hex,
            Self::HexDash => lower_hex || b == b'-',
            Self::HexColon => lower_hex || b == b':',
            Self::LowerAlnum => lower_alnum,
            Self::Dollar => lower_alnum || b == b'$',
            Self::UpperAlnum => upper_alnum,
            Self::UpperDash => upper_alnum || b == b'-',
            Self::UpperWord => upper_alnum || b == b'_',
            Self::Percent => alnum || b == b'%',
            Self::Path => alnum || b == b'/',
            Self::Session => alnum || matches!(b, b'!' | b'.' | b'_'),
            Self::Base32 => b.is_ascii_uppercase() || matches!(b, b'2'..=b'7'),
        }
    }
}

const ALPHABETS: [Alphabet; Alphabet::COUNT] = {
    use Alphabet::*;
    [
        Alnum, Letters, Hex, Word, Dotted, Base64, Padded, LowerHex, HexDash, HexColon, LowerAlnum,
        Dollar, UpperAlnum, UpperDash, UpperWord, Percent, Path, Session, Base32,
    ]
};

/// One bit an alphabet.
#[expect(clippy::indexing_slicing, reason = "a constant: a wrong index would not compile")]
static CLASSES: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut place = 0;
        while place < ALPHABETS.len() {
            let alphabet = ALPHABETS[place];
            table[byte] |= (alphabet.takes(byte as u8) as u32) << alphabet as u32;
            place += 1;
        }
        byte += 1;
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
            let decoded = decode::base64(header)?;
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

    #[test]
    fn every_alphabet_has_its_bit() {
        assert!(ALPHABETS.iter().enumerate().all(|(place, alphabet)| *alphabet as usize == place));
    }

    #[test]
    fn a_run_is_as_long_as_when_it_is_walked_in_whatever_order_places_are_asked_for() {
        let text = b"eyJ-abc.dEf_0123/==x yz-";
        let mut runs = Runs::new(text);
        for step in 0..4000_usize {
            let (at, alphabet) = (step * 7 % 25, ALPHABETS[step / 3 % ALPHABETS.len()]);
            let walked = text[at.min(text.len())..].iter().take_while(|b| alphabet.takes(**b));
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
                let decoded = decode::base64(&text.as_bytes()[start..end]);
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
