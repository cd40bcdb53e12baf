//! Who says what.

use super::{Place, Role, Side, Speaker, Value, Walk, Zone};
use crate::content::tape::Kind;

impl<'t> Walk<'t> {
    /// Who says what is below `value`; looks at an object of the dialect as a whole.
    pub(super) fn speaker(&mut self, value: Value<'t>, place: Place) -> Speaker {
        if place.zone != Zone::Dialect || value.kind() != Kind::Object {
            return place.role;
        }
        if self.found.duplicate.is_none() {
            self.found.duplicate = value.duplicate().map(|second| second.key_span().start);
        }
        if self.side == Side::Response {
            return Speaker::Unknown;
        }
        if let Some(role) = value.get_string("role") {
            return Speaker::RoleString(role.index());
        }
        let tool = ["tool_result", "function_call_output", "custom_tool_call_output"];
        let kind = value.get_string("type");
        if kind.is_some_and(|kind| tool.iter().any(|name| kind.is(name))) {
            return Speaker::Standard("tool");
        }
        place.role
    }

    pub(super) fn role_at(&mut self, index: usize) -> Option<Role> {
        if let Some((_, role)) = self.role.as_ref().filter(|(known, _)| *known == index) {
            return Some(role.clone());
        }
        let text = self.tape.value(self.json, index)?.text()?;
        let standard = Role::STANDARD.iter().find(|known| **known == text);
        let role = standard.map_or_else(|| Role::Other(text.into()), |name| Role::Standard(name));
        self.role = Some((index, role.clone()));
        Some(role)
    }
}
