//! Members whose names say what they are in the dialect's own objects.

use super::{Form, Kind, Looked, Member, Place, Shape, Side, Speaker, Value, Walk, Zone};
use crate::content::field::Logprobs;
use crate::content::protocol::is_token;

/// Whether a text is the word or the name that its member promises.
#[inline]
fn is_one(text: &str, member: Member) -> bool {
    match member {
        Member::Word => is_token(text),
        _ => Shape::Identifier.fits(text),
    }
}

impl<'t> Walk<'t> {
    /// The place of a member of the dialect's own objects: that of its use, or that of its name.
    pub(super) fn member_place(&mut self, value: Value<'t>, above: Place) -> Place {
        let Looked { member, rows } = self.member(value);
        // A medium asks for itself.
        if member != Member::Media
            && let Some(is) = self.use_of(value, rows)
            && let Some(place) = self.used(value, is, above)
        {
            return place;
        }
        let role = match member {
            Member::System => Speaker::Standard("system"),
            Member::User => Speaker::Standard("user"),
            Member::List if above.role == Speaker::Unknown => Speaker::Standard("user"),
            _ => above.role,
        };
        let zone = match member {
            Member::Media => self.open_medium(value, above),
            _ => self.named_zone(value, member, role),
        };
        Place { zone, role }
    }

    /// The zone of a member whose name says what it is; notes what of it is text.
    #[inline]
    fn named_zone(&mut self, value: Value<'t>, member: Member, role: Speaker) -> Zone {
        let in_dialect = Place { zone: Zone::Dialect, role };
        let is_object = value.kind() == Kind::Object;
        match member {
            Member::Protocol => Zone::Skipped,
            Member::Figures if value.kind() != Kind::String => Zone::Figures,
            Member::Word | Member::Name => {
                if value.text().is_some_and(|text| !is_one(&text, member)) {
                    self.note(value, Form::String, in_dialect);
                }
                Zone::Skipped
            }
            Member::TokenIds | Member::Logprobs => {
                self.note_tokens(value, member);
                Zone::Skipped
            }
            Member::Arguments if value.kind() == Kind::String => {
                self.note(value, Form::Arguments, in_dialect);
                Zone::Skipped
            }
            Member::Arguments => self.any_json(value, in_dialect).zone,
            Member::List if is_object => self.any_json(value, in_dialect).zone,
            Member::Other if is_object || value.kind() == Kind::Array => {
                self.any_json(value, in_dialect).zone
            }
            _ => {
                if value.kind() == Kind::String {
                    self.note(value, Form::String, in_dialect);
                }
                Zone::Dialect
            }
        }
    }

    /// Notes tokens that are no text: the ids of a prompt, and what a response says of its tokens.
    fn note_tokens(&mut self, value: Value<'t>, member: Member) {
        if member == Member::Logprobs || self.side == Side::Response {
            self.note_logprobs(value);
        } else if value.children().next().is_some() {
            self.found.opaque.push(value.span().start);
        }
    }

    fn note_logprobs(&mut self, value: Value<'t>) {
        if matches!(value.kind(), Kind::Object | Kind::Array) {
            let owner = value.parent().map_or(0..0, Value::span);
            self.found.logprobs.push(Logprobs { value: value.span(), owner });
        }
    }
}
