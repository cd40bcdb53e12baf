//! Who runs the tools that a request offers.
//!
//! A tool that the client runs is described to the model and nothing else; one that the server runs has effects.
//! What is not known to be the client's is taken for the server's.

use crate::json::StringRole;
use crate::path::Operation;

/// How the `type` of tools begins that the client runs: OpenAI's functions, and what Anthropic and OpenAI define and
/// leave to the client.
const CLIENTS: [&[u8]; 8] = [
    b"function",
    b"custom",
    b"computer",
    b"text_editor",
    b"bash",
    b"memory",
    b"local_shell",
    b"apply_patch",
];

/// The members of Gemini's tools that the client runs.
const CLIENTS_OF_GEMINI: [&[u8]; 4] =
    [b"functionDeclarations", b"function_declarations", b"computerUse", b"computer_use"];

/// Where tools are: the list has depth 1, a tool depth 2.
const LIST: u32 = 1;
const TOOL: u32 = 2;

/// Looks at the members of tools that say who runs them.
#[derive(Clone, Default)]
pub(super) struct ToolWatch {
    /// Whether a list of tools is open.
    on: bool,
    /// Whether a tool is what its only member is called.
    by_key: bool,
    /// Whether the next value is a tool's `type`.
    at_type: bool,
}

impl ToolWatch {
    /// A list of tools opens.
    pub(super) fn begin(&mut self, operation: Operation) {
        *self = Self { on: true, by_key: operation == Operation::GenerateContent, at_type: false };
    }

    /// It has closed.
    pub(super) fn end(&mut self) {
        self.on = false;
    }

    /// Whether the string that begins says who runs a tool.
    #[inline]
    pub(super) fn listens(&self, depth: u32, role: StringRole) -> bool {
        self.on
            && match role {
                StringRole::Key => depth == TOOL,
                StringRole::Value => depth == LIST || depth == TOOL && self.at_type,
            }
    }

    /// Takes that string; whether the server runs the tool that it is of.
    pub(super) fn is_run_by_server(&mut self, role: StringRole, text: &[u8]) -> bool {
        match role {
            StringRole::Key if self.by_key => !CLIENTS_OF_GEMINI.contains(&text),
            StringRole::Key => {
                self.at_type = text == b"type";
                false
            }
            StringRole::Value => {
                let is_clients = self.at_type && CLIENTS.iter().any(|name| text.starts_with(name));
                self.at_type = false;
                !is_clients
            }
        }
    }
}
