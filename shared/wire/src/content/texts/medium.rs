//! Pictures, sound, video and files.

use std::borrow::Cow;

use super::{Form, Place, Shape, Side, Use, Value, Walk, Zone, is_media, rows};
use crate::content::members::{MediaMember, of_medium};
use crate::content::tape::Kind;

/// Members under which an address stands.
const ADDRESSES: [&str; 8] =
    ["url", "image_url", "imageUrl", "audio_url", "audioUrl", "video_url", "videoUrl", "file_url"];

/// Parts of a message that a file belongs to. Others name the file that they cite, or in which something
/// was found.
const PARTS: [&str; 9] = [
    "input_file",
    "input_image",
    "input_audio",
    "image_file",
    "image",
    "file",
    "document",
    "video",
    "container_upload",
];

impl<'t> Walk<'t> {
    /// Whether a string is a medium by what it says.
    pub(super) fn is_medium(&self, value: Value<'t>) -> bool {
        let raw = self.json.get(value.content_span()).unwrap_or_default();
        // Nearly all strings show in their first bytes that they are none.
        raw.len() >= LEAST
            && raw.iter().take(LEAST_WORD).all(|byte| byte.is_ascii_graphic())
            && value.text().is_some_and(|text| is_media(&text))
    }

    /// Whether the file that a string names is sent to the model.
    fn sends_file(&mut self, value: Value<'t>) -> bool {
        let kind = value.parent().and_then(|part| self.kind_of(part));
        let is_part = |kind: Cow<'_, str>| PARTS.contains(&kind.as_ref());
        self.side == Side::Request && kind.is_none_or(is_part)
    }

    /// A member that is a medium by its name, or an object of such members.
    pub(super) fn open_medium(&mut self, value: Value<'t>, above: Place) -> Zone {
        // What is cited or found is no part of what is sent.
        if value.is_named("file_id") && !self.sends_file(value) {
            self.used(value, Use::Value(Shape::Identifier), above);
            return Zone::Skipped;
        }
        let text = value.get("type").is_some_and(|kind| kind.is("text"));
        if value.kind() == Kind::String {
            return self.medium(value, false, above);
        }
        Zone::Media { text }
    }

    pub(super) fn medium(&mut self, value: Value<'t>, text: bool, above: Place) -> Zone {
        let member = of_medium(&value.key());
        if member == MediaMember::Content {
            if value.kind() == Kind::String {
                self.note(value, Form::String, above);
            }
            return Zone::Dialect;
        }
        if value.kind() != Kind::String {
            return Zone::Media { text };
        }
        let is_data = |text: &str| text.get(..5).is_some_and(|s| s.eq_ignore_ascii_case("data:"));
        match member {
            MediaMember::Protocol => {}
            MediaMember::Data if !text => self.found.opaque.push(value.span().start),
            _ if value.text().is_some_and(|text| is_data(&text)) => {
                self.found.opaque.push(value.span().start);
            }
            _ => {
                let key = value.key();
                if ADDRESSES.contains(&key.as_ref()) {
                    // What is there cannot be inspected; the address is for the replica.
                    self.found.opaque.push(value.span().start);
                    let named = self.use_of(value, rows(&key));
                    if named.and_then(|is| self.used(value, is, above)).is_some() {
                        return Zone::Skipped;
                    }
                }
                self.note(value, Form::String, above);
            }
        }
        Zone::Media { text }
    }
}

/// Shortest string that is looked at, in bytes: what [`is_media`] takes.
const LEAST: usize = 40;
/// Bytes among which prose has a space.
const LEAST_WORD: usize = 24;
