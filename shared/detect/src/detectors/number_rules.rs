//! Which numbers mean something: cards, Social Security numbers, telephone numbers and the
//! all-digit identity numbers.

use super::phone;
use crate::digits::{Number, Separator};
use crate::rule::BuiltIn;
use crate::scan::Candidate;
use crate::scan::context::Topics;
use crate::scan::segment::Segment;
use crate::validate::{bank, national};

use Separator::{Dash, Space, Spaced};

/// Adds a candidate for everything `number` may be.
pub(crate) fn judge(segment: &Segment<'_>, number: &Number<'_>, out: &mut Vec<Candidate>) {
    let mut add = |rule: BuiltIn, confidence: f32| {
        out.push(Candidate::new(number.span.clone(), rule, confidence));
    };
    if let Some(confidence) = card(segment, number) {
        add(BuiltIn::CreditCard, confidence);
    }
    let spaced_inside = number.separator == Some(Space) && !number.whole;
    if spaced_inside && !number.grouped(&[3, 2, 4]) && !number.grouped(&[3, 3, 4]) {
        return;
    }
    if let Some(confidence) = ssn(segment, number) {
        add(BuiltIn::UsSsn, confidence);
    }
    identity(segment, number, &mut add);
    if let Some((span, confidence)) = phone::judge(segment, number) {
        out.push(Candidate::new(span, BuiltIn::Phone, confidence));
    }
}

fn card(segment: &Segment<'_>, number: &Number<'_>) -> Option<f32> {
    if !(12..=19).contains(&number.digits.len()) {
        return None;
    }
    if !number.is_bare() && !number.separated_by(&[Space, Dash, Spaced]) {
        return None;
    }
    let issuer = bank::card(number.digits)?;
    let printed = number.grouped(&[4, 4, 4, 4])
        || number.grouped(&[4, 6, 5])
        || number.grouped(&[4, 6, 4])
        || number.grouped(&[4, 4, 4, 4, 3])
        || number.lengths.iter().all(|length| *length == 1);
    let named = || segment.topics(number.span.start).any(Topics::CARD);
    match (issuer, printed || number.is_bare()) {
        (bank::Issuer::Major, true) => Some(BuiltIn::CreditCard.confidence()),
        (bank::Issuer::Major, false) => Some(if named() { 0.9 } else { 0.55 }),
        (bank::Issuer::Wide, _) if named() => Some(0.85),
        (bank::Issuer::Wide, _) => Some(if printed { 0.6 } else { 0.35 }),
    }
}

fn ssn(segment: &Segment<'_>, number: &Number<'_>) -> Option<f32> {
    if number.digits.len() != 9 || !national::us_ssn(number.digits) {
        return None;
    }
    let printed = number.grouped(&[3, 2, 4]);
    if printed && number.separated_by(&[Dash]) {
        return Some(0.85);
    }
    let named = segment.topics(number.span.start).any(Topics::SSN);
    match (printed && number.separator.is_some(), number.is_bare()) {
        (true, _) => Some(if named { 0.85 } else { 0.6 }),
        (_, true) if named => Some(BuiltIn::UsSsn.confidence()),
        _ => None,
    }
}

/// A national number: when it is printed in its own way, and when words must help.
struct Form {
    rule: BuiltIn,
    lengths: &'static [u8],
    valid: fn(&[u8]) -> bool,
    topics: Topics,
    printed: f32,
    bare: f32,
}

/// Confidence of a valid number that a word near by names.
const NAMED: f32 = 0.85;

/// In order of length.
static FORMS: [Form; 11] = [
    form(BuiltIn::AuTfn, &[3, 3, 3], national::au_tfn, Topics::TAX, 0.4),
    form(BuiltIn::UkNhs, &[3, 3, 4], national::uk_nhs, Topics::NHS, 0.4),
    form(BuiltIn::AuMedicare, &[4, 5, 1], national::au_medicare, IDENTITY_OR_HEALTH, 0.45),
    form(BuiltIn::PlPesel, &[], national::pl_pesel, Topics::IDENTITY, 0.4),
    form(BuiltIn::DeTaxId, &[2, 3, 3, 3], national::de_tax_id, Topics::TAX, 0.45),
    form(BuiltIn::AuAbn, &[2, 3, 3, 3], national::au_abn, Topics::TAX, 0.45),
    form(BuiltIn::BrCpf, &[3, 3, 3, 2], national::br_cpf, TAX_OR_IDENTITY, 0.85),
    form(BuiltIn::InAadhaar, &[4, 4, 4], national::in_aadhaar, Topics::IDENTITY, 0.6),
    form(BuiltIn::KrRrn, &[6, 7], national::kr_rrn, Topics::IDENTITY, 0.6),
    form(BuiltIn::BrCnpj, &[2, 3, 3, 4, 2], national::br_cnpj, TAX_OR_IDENTITY, 0.9),
    Form {
        bare: 0.9,
        ..form(BuiltIn::CnResidentId, &[], national::cn_resident_id, Topics::IDENTITY, 0.9)
    },
];

/// The forms of so many digits.
fn forms(digits: usize) -> &'static [Form] {
    let places = match digits {
        9 => 0..1,
        10 => 1..3,
        11 => 2..7,
        12 => 7..8,
        13 => 8..9,
        14 => 9..10,
        18 => 10..11,
        _ => 0..0,
    };
    FORMS.get(places).unwrap_or_default()
}

const TAX_OR_IDENTITY: Topics = Topics::TAX.or(Topics::IDENTITY);
const IDENTITY_OR_HEALTH: Topics = Topics::IDENTITY.or(Topics::NHS);

const fn form(
    rule: BuiltIn,
    lengths: &'static [u8],
    valid: fn(&[u8]) -> bool,
    topics: Topics,
    printed: f32,
) -> Form {
    Form { rule, lengths, valid, topics, printed, bare: 0.3 }
}

fn identity(segment: &Segment<'_>, number: &Number<'_>, add: &mut impl FnMut(BuiltIn, f32)) {
    for form in forms(number.digits.len()) {
        // A network address may have the groups of one: those are not all dots.
        let printed = !form.lengths.is_empty()
            && number.grouped(form.lengths)
            && !number.separated_by(&[Separator::Dot]);
        if (printed || number.is_bare()) && (form.valid)(number.digits) {
            let plain = if printed { form.printed } else { form.bare };
            let named = segment.topics(number.span.start).any(form.topics);
            let checked = form.rule == BuiltIn::KrRrn && national::kr_rrn_check(number.digits);
            let plain = if checked && printed { 0.8 } else { plain };
            add(form.rule, if named { NAMED.max(plain) } else { plain });
        }
    }
}
