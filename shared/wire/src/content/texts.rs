//! All texts of a JSON body.

mod functional;
mod medium;
mod named;
mod speaker;

use super::field::{Form, Role, Side, TextField, Texts};
use super::functional::{Functional, Shape, Use, rows};
use super::label::label;
use super::media::is_media;
use super::members::{Member, of_request, of_response};
use super::tape::{Kind, Tape, Value};
use crate::same;

/// The part of a body that a value is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zone {
    /// The dialect's own objects.
    Dialect,
    /// JSON of any form.
    AnyJson,
    /// The same, but members may be functional.
    Holder,
    /// A JSON schema.
    Schema,
    /// Names, each with a JSON schema.
    Schemas,
    /// Functional values of that shape, and with `names` the names that they have.
    Functional { shape: Shape, names: bool },
    /// A medium, whose bytes are text if the flag says so.
    Media { text: bool },
    /// Figures, beside which a string may stand.
    Figures,
    /// Nothing to inspect.
    Skipped,
}

/// What the values below a container inherit.
#[derive(Clone, Copy, Debug)]
struct Place {
    zone: Zone,
    role: Speaker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    Unknown,
    Standard(&'static str),
    /// By the string at that index of the tape.
    RoleString(usize),
}

/// Whether a part of a message has a signature. Servers that sign nothing write an empty one.
fn is_signed(part: Value<'_>) -> bool {
    part.get_string("signature").is_some_and(|signature| !signature.content_span().is_empty())
}

impl Texts {
    /// The texts of a body that `tape` was read from.
    pub fn of(tape: &Tape, json: &[u8], side: Side) -> Self {
        Walk::new(tape, json, side).run(Zone::Dialect)
    }

    /// The texts of JSON of any form: all strings, numbers and keys.
    pub fn of_any(tape: &Tape, json: &[u8]) -> Self {
        Walk::new(tape, json, Side::Request).run(Zone::AnyJson)
    }
}

struct Walk<'t> {
    tape: &'t Tape,
    json: &'t [u8],
    side: Side,
    /// By index of the value; only those of containers are looked at again.
    places: Vec<Place>,
    found: Texts,
    /// The members looked up last, by their keys.
    members: [(&'t [u8], Looked); 4],
    /// What was found out about one value and is asked for many: the role that the string at that index
    /// names, and whether the object at that index has a signature.
    role: Option<(usize, Role)>,
    signed: Option<(usize, bool)>,
    /// The same of the string under `type` of the object at that index.
    kind: Option<(usize, Option<usize>)>,
}

/// What a name says in an object of a dialect.
#[derive(Clone, Copy)]
struct Looked {
    member: Member,
    rows: &'static [(&'static str, &'static Functional)],
}

impl<'t> Walk<'t> {
    fn new(tape: &'t Tape, json: &'t [u8], side: Side) -> Self {
        let places = Vec::with_capacity(tape.len());
        let members = [(&b""[..], Looked { member: Member::Other, rows: &[] }); 4];
        let found = Texts::default();
        Self { tape, json, side, places, found, members, role: None, signed: None, kind: None }
    }

    fn run(mut self, outermost: Zone) -> Texts {
        let mut next = Some(self.tape.root(self.json));
        while let Some(value) = next {
            let parent = value.parent();
            let above = parent.and_then(|parent| self.places.get(parent.index()).copied());
            let above = above.unwrap_or(Place { zone: outermost, role: Speaker::Unknown });
            let place = match parent {
                Some(parent) => self.place(value, parent, above),
                None => {
                    // All that there is, where a body or an event is a string.
                    if value.kind() == Kind::String {
                        self.note(value, Form::String, above);
                    }
                    above
                }
            };
            let role = self.speaker(value, place);
            self.places.push(Place { role, ..place });
            next = value.next();
        }
        self.found
    }

    /// The zone of a value, from the zone of what it is in; notes the value if it is text.
    fn place(&mut self, value: Value<'t>, parent: Value<'t>, above: Place) -> Place {
        let in_array = parent.kind() == Kind::Array;
        let keep = |zone| Place { zone, ..above };
        match above.zone {
            Zone::Skipped => above,
            Zone::Figures => {
                if value.kind() == Kind::String {
                    self.note(value, Form::String, above);
                }
                above
            }
            Zone::AnyJson => self.any_json(value, above),
            Zone::Holder => self.holder(value, above, in_array),
            Zone::Schema => self.schema(value, above, in_array),
            Zone::Schemas => self.schemas(value, above),
            Zone::Functional { shape, names } => self.functional(value, (shape, names), above),
            Zone::Media { .. } if in_array => above,
            Zone::Media { text } => keep(self.medium(value, text, above)),
            Zone::Dialect if in_array => {
                match value.kind() {
                    Kind::String => self.note(value, Form::String, above),
                    // A prompt as token ids. In a response, the numbers of an embedding.
                    Kind::Number if self.side == Side::Request => {
                        self.found.opaque.push(value.span().start);
                    }
                    _ => {}
                }
                above
            }
            Zone::Dialect => self.member_place(value, above),
        }
    }

    /// What a member of the dialect is. The messages of a conversation have the same few keys over and
    /// over.
    fn member(&mut self, value: Value<'t>) -> Looked {
        let key = self.json.get(value.key_span()).unwrap_or_default();
        if let Some((_, looked)) = self.members.iter().find(|(known, _)| same(known, key)) {
            return *looked;
        }
        let name = value.key();
        let member = match self.side {
            Side::Request => of_request(&name),
            Side::Response => of_response(&name),
        };
        // What is skipped altogether is no value that anybody could look for.
        let rows = match member {
            Member::Protocol | Member::Name => &[],
            _ => rows(&name),
        };
        self.members.rotate_right(1);
        let looked = Looked { member, rows };
        self.members[0] = (key, looked);
        looked
    }

    /// JSON of any form: strings, numbers and keys are text.
    fn any_json(&mut self, value: Value<'t>, place: Place) -> Place {
        let place = Place { zone: Zone::AnyJson, ..place };
        self.note_key(value, place);
        match value.kind() {
            Kind::String => self.note(value, Form::String, place),
            Kind::Number => self.note(value, Form::Number, place),
            _ => {}
        }
        place
    }

    fn note_key(&mut self, value: Value<'t>, place: Place) {
        let field = TextField {
            span: value.key_span(),
            form: Form::Key,
            role: None,
            key: 0..0,
            signed: false,
        };
        self.push(field, place);
    }

    fn note(&mut self, value: Value<'t>, form: Form, place: Place) {
        let functional = matches!(place.zone, Zone::Functional { .. });
        if form == Form::String && !functional && self.is_medium(value) {
            self.found.encoded.push(value.span().start);
            return;
        }
        let key = match place.zone {
            Zone::AnyJson | Zone::Functional { .. } => {
                label(value).map_or(value.key_span(), Value::content_span)
            }
            _ => 0..0,
        };
        let signed = place.zone == Zone::Dialect
            && value.is_named("thinking")
            && value.parent().is_some_and(|part| self.is_signed(part));
        let field = TextField { span: value.content_span(), form, role: None, key, signed };
        self.push(field, place);
    }

    fn is_signed(&mut self, part: Value<'t>) -> bool {
        let known = self.signed.filter(|(index, _)| *index == part.index());
        let (_, signed) = known.unwrap_or_else(|| (part.index(), is_signed(part)));
        self.signed = Some((part.index(), signed));
        signed
    }

    fn push(&mut self, field: TextField, place: Place) {
        if field.span.is_empty() {
            return;
        }
        let role = match place.role {
            Speaker::Unknown => None,
            Speaker::Standard(name) => Some(Role::Standard(name)),
            Speaker::RoleString(index) => self.role_at(index),
        };
        match place.zone {
            Zone::Functional { .. } => self.found.functional.push(TextField { role, ..field }),
            _ => self.found.fields.push(TextField { role, ..field }),
        }
    }
}
