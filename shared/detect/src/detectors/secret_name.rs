//! What the name of a field, a variable or a header promises about its value.

/// What a name, or one word of it, promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// A secret: `db_password`, `githubToken`.
    Secret,
    /// Some key, which may be one of a table, too: `key`, `auth`, `session`.
    Key,
    /// Something that is no secret, or only speaks of one: `publicKey`, `token_url`.
    Public,
    /// Nothing.
    Nothing,
}

/// Words that make a name a secret's.
static SECRETS: Words = Words::new(
    "apikey authorization authtoken bearer cred credential credentials creds \
                       jsessionid jwt kennwort pass passcode passphrase passwd password passwort \
                       pat phpsessid privkey pwd pw secret secrets senha sessionid token",
);

/// Ends of words that run several together: `mytoken`, `dbpassword`.
static ENDINGS: Words =
    Words::new("token secret password passwd apikey secretkey accesskey privatekey authkey");

/// Words that make a name that of some key.
static KEYS: Words = Words::new("key auth session");

/// Words before a key or token that everyone may see, or that changes with each page.
static PUBLIC: Words = Words::new(
    "anti cancel cancellation continuation csrf cursor next page pagination pub \
                      public publishable sync xsrf",
);

/// Words before a key that is one of a table, of a cache or of a protocol.
static OF_TABLES: Words = Words::new(
    "bucket cache column constraint dedup deduplication foreign group host hot \
                         i18n idempotency idx index locale natural object partition primary query \
                         row schema sequence socket sort translation websocket",
);

/// Words after a secret's that tell where, how long or of which kind it is.
static ABOUT: Words = Words::new(
    "algorithm alias arn attribute audience board class code column count digest \
                     down endpoint event expiry field file filename fingerprint format frame \
                     handler hash header id identifier ids index input issuer label length limit \
                     manager name names pair parameter path policy press pressed provider ref ring \
                     selector service sha sha1 sha256 signature size status store storetype type \
                     up uri url usage vault version word",
);

/// A list of words, with the letters that they begin with and their lengths: most words of a text
/// are in none, and are told so by those.
pub(super) struct Words {
    list: &'static str,
    firsts: u32,
    lengths: u32,
}

impl Words {
    /// The words of `list`, in small letters with single spaces between them.
    #[expect(clippy::indexing_slicing, reason = "a constant: a wrong index would not compile")]
    pub(super) const fn new(list: &'static str) -> Self {
        let (bytes, mut firsts, mut lengths) = (list.as_bytes(), 0, 0);
        let (mut at, mut start) = (0, 0);
        while at <= bytes.len() {
            if at == bytes.len() || bytes[at] == b' ' {
                firsts |= 1 << (bytes[start] & 31);
                lengths |= 1 << (at - start);
                start = at + 1;
            }
            at += 1;
        }
        Self { list, firsts, lengths }
    }

    /// Whether `word`, in either case, is one of them.
    #[inline]
    pub(super) fn has(&self, word: &[u8]) -> bool {
        let first = word.first().is_some_and(|first| self.firsts >> (first & 31) & 1 == 1);
        let length = self.lengths.checked_shr(word.len() as u32).is_some_and(|bits| bits & 1 == 1);
        first && length && self.search(word)
    }

    #[inline(never)]
    fn search(&self, word: &[u8]) -> bool {
        self.list.as_bytes().split(|b| *b == b' ').any(|entry| entry.eq_ignore_ascii_case(word))
    }
}

/// What `name` promises, read word by word: `API_TOKEN_PROD`, `x-api-key`, `apiKeyId`.
#[inline(never)]
pub(super) fn promise(name: &[u8]) -> Promise {
    let (mut found, mut public, mut qualified, mut of_table) =
        (Promise::Nothing, false, false, false);
    let mut rest = name;
    while let Some((word, after)) = first_word(rest) {
        rest = after;
        match one(word) {
            Promise::Nothing if found == Promise::Nothing => {
                public |= PUBLIC.has(word);
                of_table |= OF_TABLES.has(word);
                qualified = true;
            }
            Promise::Nothing if ABOUT.has(word) => return Promise::Public,
            Promise::Nothing => {}
            Promise::Key if of_table => public = true,
            // A key of something: `encryption_key`.
            Promise::Key if qualified => found = Promise::Secret,
            Promise::Key if found == Promise::Secret => {}
            promise => found = promise,
        }
    }
    if public { Promise::Public } else { found }
}

fn one(word: &[u8]) -> Promise {
    // `mytoken`, `dbpassword`: the longest end first.
    let ends = |length: usize| {
        let end = word.len().checked_sub(length).and_then(|start| word.get(start..));
        end.is_some_and(|end| ENDINGS.has(end))
    };
    if SECRETS.has(word) || (5..=10).any(ends) {
        Promise::Secret
    } else if KEYS.has(word) {
        Promise::Key
    } else {
        Promise::Nothing
    }
}

/// The first word of a name and what follows it. Words end at signs, and where a capital follows a
/// small letter or begins a word after capitals: `APIKeyOf_me` has four.
#[inline(never)]
fn first_word(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = name.iter().position(u8::is_ascii_alphanumeric)?;
    let name = name.get(start..)?;
    let ends = |at: &usize| match name.get(at - 1..) {
        Some([_, next, ..]) if !next.is_ascii_alphanumeric() => true,
        Some([b'a'..=b'z' | b'0'..=b'9', b'A'..=b'Z', ..]) => true,
        Some([b'A'..=b'Z', b'A'..=b'Z', b'a'..=b'z', ..]) => true,
        _ => false,
    };
    let end = (1..name.len()).find(ends).unwrap_or(name.len());
    name.split_at_checked(end)
}
