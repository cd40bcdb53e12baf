//! Words near a candidate that make it more believable.

use std::ops::Range;
use std::sync::LazyLock;

use wide::u8x16;

/// How many bytes before a segment are read for context words.
pub(crate) const REACH: usize = 96;

/// Topics that context words belong to, as a bit set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topics(pub(crate) u32);

macro_rules! topics {
    ($($name:ident = $bit:literal: [$($word:literal),* $(,)?],)*) => {
        impl Topics {
            $(pub(crate) const $name: Self = Self(1 << $bit);)*

        }

        /// Every word and a topic of it.
        static WORDS: &[(&[u8], u32)] = &[$($(($word, 1 << $bit),)*)*];
    };
}

topics! {
    PHONE = 0: [
        b"phone", b"phones", b"telephone", b"tel", b"mobile", b"cell", b"cellphone", b"call", b"calls",
        b"called", b"calling", b"fax", b"sms", b"text", b"dial", b"whatsapp", b"contact", b"reach", b"ring",
        b"answering", b"hotline", b"helpline", b"landline", b"voicemail", b"extension", b"telefon",
        b"telefono", b"telefone", b"handy", b"celular", b"movil", b"mobil", b"portable", b"rufnummer",
        b"telefonnummer", b"numero", b"cellulare", b"callback", b"texted", b"signal", b"telegram",
        b"handset", b"pager", b"ph", b"phoned", b"dialed", b"dialled", b"rang", b"ping", b"message",
        b"messages", b"office",
    ],
    CARD = 1: [
        b"card", b"cards", b"credit", b"debit", b"visa", b"mastercard", b"amex", b"maestro", b"discover",
        b"diners", b"jcb", b"unionpay", b"cc", b"pan", b"payment", b"pay", b"kreditkarte", b"carte",
        b"tarjeta", b"cvv", b"charge", b"charged", b"billing", b"cartao", b"carta", b"karte", b"kreditkartennummer",
    ],
    SSN = 2: [b"ssn", b"ssns", b"social", b"security", b"socsec", b"itin", b"taxpayer"],
    NHS = 3: [b"nhs", b"patient", b"health", b"hospital", b"gp"],
    TAX = 4: [
        b"tax", b"tin", b"tfn", b"abn", b"cpf", b"cnpj", b"steuer", b"idnr", b"identifikationsnummer",
        b"taxpayer", b"fiscal", b"business", b"steuernummer", b"steueridentifikationsnummer", b"vat",
        b"contribuinte", b"cadastro", b"tributaria",
    ],
    IDENTITY = 5: [
        b"id", b"ids", b"identity", b"identification", b"identifier", b"national", b"pesel", b"aadhaar",
        b"aadhar", b"uidai", b"uid", b"citizen", b"resident", b"rrn", b"dni", b"nif", b"nie", b"nric", b"fin",
        b"passport", b"nino", b"insurance", b"medicare", b"rg", b"documento", b"ausweis", b"registration",
        b"sfz", b"pan", b"permanent",
    ],
    NETWORK = 6: [
        b"ip", b"ipv4", b"ipv6", b"address", b"server", b"host", b"from", b"subnet", b"gateway", b"dns",
        b"ping", b"client", b"addr", b"router", b"network",
    ],
    VERSION = 7: [b"version", b"versions", b"v", b"ver", b"release", b"build", b"section", b"chapter", b"oid", b"firmware"],
    NUMBER = 9: [
        b"order", b"invoice", b"tracking", b"isbn", b"serial", b"sku", b"part", b"ticket", b"case", b"ref",
        b"reference", b"transaction", b"product", b"item", b"model", b"license", b"licence", b"date",
        b"timestamp", b"population", b"price", b"total", b"amount", b"zip", b"postal", b"score", b"po", b"box",
        b"coordinates", b"latitude", b"longitude", b"pages", b"page", b"issn", b"doi",
    ],
    KEY = 10: [
        b"key", b"secret", b"token", b"private", b"wallet", b"seed", b"privatekey", b"privkey",
    ],
    WALLET = 11: [b"eth", b"ethereum", b"wallet", b"address", b"erc20", b"metamask", b"contract"],
}

/// The words in order, each with all its topics: a search is as fast as the code of a match, which
/// takes three times the room in a module.
static SORTED: LazyLock<Vec<(&[u8], u32)>> = LazyLock::new(|| {
    let mut sorted: Vec<(&[u8], u32)> = Vec::with_capacity(WORDS.len());
    for (word, bits) in WORDS {
        match sorted.binary_search_by(|(other, _)| other.cmp(word)) {
            Ok(at) => sorted.get_mut(at).into_iter().for_each(|entry| entry.1 |= bits),
            Err(at) => sorted.insert(at, (word, *bits)),
        }
    }
    sorted
});

impl Topics {
    /// The topics of one lower-case ASCII word.
    fn of(word: &[u8]) -> Self {
        let found = SORTED.binary_search_by(|(other, _)| (*other).cmp(word));
        Self(found.ok().and_then(|at| SORTED.get(at)).map_or(0, |(_, bits)| *bits))
    }

    /// Whether any topic of `other` is present.
    pub(crate) fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets.
    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Reads the words of `text` that end within [`REACH`] bytes before `segment` or inside it
    /// before `upto`.
    pub(crate) fn before(text: &[u8], segment: &Range<usize>, upto: usize) -> Self {
        let start = segment.start.saturating_sub(REACH);
        let window = text.get(start..upto.max(segment.start)).unwrap_or_default();
        // Numbers among numbers, the dear case: no letter, no word.
        if !has_letters(window) {
            return Self::default();
        }
        let mut topics = scripted(window);
        for word in window.split(|b| !b.is_ascii_alphanumeric()) {
            topics = topics.or(Self::of_word(word));
        }
        topics
    }

    /// The topics of one word.
    #[inline(never)]
    pub(crate) fn of_word(word: &[u8]) -> Self {
        let mut lower = [0_u8; 32];
        let Some(slot) = lower.get_mut(..word.len()) else { return Self::default() };
        if word.first().is_none_or(u8::is_ascii_digit) {
            return Self::default();
        }
        slot.copy_from_slice(word);
        slot.make_ascii_lowercase();
        Self::of(slot)
    }
}

/// Whether a byte is from the column of `@` on, or beyond ASCII.
#[inline]
fn has_letters(window: &[u8]) -> bool {
    let (blocks, rest) = window.as_chunks::<16>();
    let seen = blocks.iter().fold(u8x16::ZERO, |seen, block| seen | u8x16::new(*block));
    let seen = (seen & u8x16::splat(0x40)).simd_eq(u8x16::ZERO).to_bitmask() & 0xFFFF;
    seen != 0xFFFF || rest.iter().any(|byte| byte & 0x40 != 0)
}

/// Context words of scripts without spaces, found as substrings.
fn scripted(window: &[u8]) -> Topics {
    if window.is_ascii() {
        return Topics::default();
    }
    const WORDS: [(&str, Topics); 23] = [
        ("电话", Topics::PHONE),
        ("手机", Topics::PHONE),
        ("電話", Topics::PHONE),
        ("手機", Topics::PHONE),
        ("携帯", Topics::PHONE),
        ("전화", Topics::PHONE),
        ("휴대폰", Topics::PHONE),
        ("連絡", Topics::PHONE),
        ("联系", Topics::PHONE),
        ("телефон", Topics::PHONE),
        ("téléphone", Topics::PHONE),
        ("teléfono", Topics::PHONE),
        ("τηλέφων", Topics::PHONE),
        ("טלפון", Topics::PHONE),
        ("điện thoại", Topics::PHONE),
        ("卡号", Topics::CARD),
        ("карт", Topics::CARD),
        ("银行卡", Topics::CARD),
        ("信用卡", Topics::CARD),
        ("カード", Topics::CARD),
        ("카드", Topics::CARD),
        ("身份证", Topics::IDENTITY),
        ("주민", Topics::IDENTITY),
    ];
    let found = WORDS.iter().filter(|(word, _)| super::position(window, word.as_bytes()).is_some());
    found.fold(Topics::default(), |topics, (_, topic)| topics.or(*topic))
}
