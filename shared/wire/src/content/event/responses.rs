//! Events of the Responses API.

use super::{ChannelName, Ended, EventTexts, Scope, Value, number};
use crate::content::field::Form;

/// What events are about: the part of their type between `response.` and the last dot.
const SUBJECTS: [&str; 22] = [
    "output_item",
    "content_part",
    "output_text",
    "output_text.annotation",
    "refusal",
    "reasoning",
    "reasoning_text",
    "reasoning_part",
    "reasoning_summary",
    "reasoning_summary_part",
    "reasoning_summary_text",
    "function_call_arguments",
    "mcp_call_arguments",
    "mcp_call",
    "mcp_list_tools",
    "custom_tool_call_input",
    "code_interpreter_call_code",
    "code_interpreter_call",
    "shell_call",
    "file_search_call",
    "web_search_call",
    "audio.transcript",
];

/// Events about the response as a whole.
const STAGES: [&str; 6] = ["created", "queued", "in_progress", "completed", "incomplete", "failed"];

pub(super) fn read(root: Value<'_>, kind: &str, event: &mut EventTexts) {
    let about = kind.strip_prefix("response.").unwrap_or(kind);
    let scope = Scope(number(root, "output_index"));
    if STAGES.contains(&about) {
        event.known = true;
        if matches!(about, "completed" | "incomplete" | "failed") {
            event.repeats = true;
            event.ended.push(Ended::All);
        }
        return;
    }
    let Some((subject, step)) = about.rsplit_once('.') else { return };
    event.known = SUBJECTS.contains(&subject);
    event.repeats = step == "done";
    match step {
        "delta" => {
            if let Some(delta) = root.get_string("delta") {
                let json = matches!(subject, "function_call_arguments" | "mcp_call_arguments");
                let form = if json { Form::Arguments } else { Form::String };
                event.push(delta, form, name(root, subject, scope).channel(), scope);
            }
        }
        "done" if matches!(subject, "output_item" | "content_part") => {
            event.ended.push(Ended::Scope(scope));
        }
        "done" => event.ended.push(Ended::Channel(name(root, subject, scope).channel())),
        _ => {}
    }
}

fn name(root: Value<'_>, subject: &str, scope: Scope) -> ChannelName {
    let name = ChannelName::new(scope).with(subject);
    name.with_number(number(root, "content_index")).with_number(number(root, "summary_index"))
}
