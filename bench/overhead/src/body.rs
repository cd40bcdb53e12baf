//! Request bodies: ordinary chats of an exact size.

use bytes::Bytes;

/// The model that every request asks for; all setups route it to one pool.
const MODEL: &str = "llama-3.1-8b-instruct";

/// Different bodies of one size, so that the picker's index of prefixes has something to do.
const VARIANTS: usize = 32;

/// How long a message of the chat is, at most, in bytes.
const MESSAGE_BYTES: usize = 1500;

const SYSTEM: &str = "You are the assistant of a travel agency. Answer briefly and politely.";

/// What people write, with an escape and letters outside ASCII here and there.
const SENTENCES: [&str; 8] = [
    "I would like to take the night train from Vienna to Hamburg in the second week of May. ",
    "Is there still a compartment with two beds, and what does it cost with breakfast included? ",
    "The earliest connection leaves at 19:52 and arrives at 8:31 on the following morning. ",
    "She said \\\"we can change the date until noon\\\", so please book it for the four of us. ",
    "On the way back we want to stop in N\u{fc}rnberg for a caf\u{e9} au lait and see the castle. ",
    "Our luggage: two suitcases, one pushchair (folded), and a violin that must stay with me. ",
    "Could you send the tickets as one file? My phone had trouble with the last ones you sent. ",
    "Thank you, that was quick!\\nOne more thing: does the fare include the seat reservation? ",
];

/// The bodies to send, all of them `size` bytes long, that ask for a stream or not.
pub(crate) fn variants(size: usize, stream: bool) -> Vec<Bytes> {
    (0..VARIANTS).map(|variant| Bytes::from(chat(size, stream, variant))).collect()
}

/// A chat as the openai client writes it: the messages first, then the model.
fn chat(size: usize, stream: bool, variant: usize) -> String {
    let system = format!(r#"{{"role":"system","content":"{SYSTEM}"}}"#);
    let mut text = format!(r#"{{"messages":[{system},{{"role":"user","content":"{variant}: "#);
    let tail = format!(r#""}}],"model":"{MODEL}","stream":{stream}}}"#);
    let room = size.saturating_sub(tail.len());
    let mut begun = text.len();
    for (turn, sentence) in SENTENCES.iter().cycle().skip(variant).enumerate() {
        let next = separator(turn, text.len().saturating_sub(begun));
        if text.len().saturating_add(next.len()).saturating_add(sentence.len()) > room {
            break;
        }
        if !next.is_empty() {
            begun = text.len();
        }
        text.push_str(next);
        text.push_str(sentence);
    }
    text.extend(std::iter::repeat_n('.', room.saturating_sub(text.len())));
    text + &tail
}

/// What stands between two sentences: nothing, or the end of a message and the next one's start.
fn separator(turn: usize, message_bytes: usize) -> &'static str {
    match (message_bytes > MESSAGE_BYTES, turn.is_multiple_of(2)) {
        (false, _) => "",
        (true, false) => r#""},{"role":"assistant","content":""#,
        (true, true) => r#""},{"role":"user","content":""#,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_chats_of_exactly_the_size_asked_for() {
        for size in [1 << 10, 32 << 10, 256 << 10] {
            let bodies = variants(size, true);
            assert!(bodies.iter().all(|body| body.len() == size));
            let chat: serde_json::Value = serde_json::from_slice(&bodies[1]).unwrap();
            assert_eq!(
                (chat["model"].as_str(), chat["stream"].as_bool()),
                (Some(MODEL), Some(true))
            );
            let messages = chat["messages"].as_array().unwrap();
            assert!(messages.len() > size / (2 * MESSAGE_BYTES) && messages.len() >= 2);
        }
    }

    #[test]
    fn bodies_differ_from_the_first_user_message_on() {
        let bodies = variants(1 << 10, false);
        let mut distinct = bodies.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), bodies.len());
    }
}
