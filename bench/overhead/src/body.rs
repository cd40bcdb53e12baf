//! Request bodies: ordinary chats of an exact size.

use bytes::Bytes;

/// The model that every request asks for; all setups route it to one pool.
const MODEL: &str = "llama-3.1-8b-instruct";

/// Conversations of one size, so that the picker's index of prefixes has something to do.
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

/// Makes the bodies to send, all of one size: the turns of some conversations, each with its whole
/// history before it, and a last message of at most 3,000 bytes that nobody sent before.
pub(crate) struct Chats {
    size: usize,
    stream: bool,
    /// No message was sent before.
    fresh: bool,
    made: usize,
}

impl Chats {
    /// Bodies of `size` bytes, that ask for a stream or not.
    pub(crate) fn new(size: usize, stream: bool, fresh: bool) -> Self {
        Self { size, stream, fresh, made: 0 }
    }

    /// The next ones.
    pub(crate) fn take(&mut self, count: usize) -> Vec<Bytes> {
        (0..count).map(|_| self.next()).collect()
    }

    /// A chat as the openai client writes it: the messages first, then the model.
    fn next(&mut self) -> Bytes {
        let number = self.made;
        self.made += 1;
        let variant = number % VARIANTS;
        let system = format!(r#"{{"role":"system","content":"{SYSTEM}"}}"#);
        let mut text = format!(r#"{{"messages":[{system},{{"role":"user","content":"{variant}: "#);
        let tail = format!(r#""}}],"model":"{MODEL}","stream":{}}}"#, self.stream);
        let room = self.size.saturating_sub(tail.len());
        let mut begun = text.len();
        let mut last = room.saturating_sub(begun) <= 2 * MESSAGE_BYTES;
        if last || self.fresh {
            text.push_str(&format!("({number}) "));
        }
        for (turn, sentence) in SENTENCES.iter().cycle().skip(variant).enumerate() {
            if !last && text.len() - begun > MESSAGE_BYTES {
                last = room.saturating_sub(text.len()) <= 2 * MESSAGE_BYTES;
                text.push_str(separator(turn, last));
                begun = text.len();
                if last || self.fresh {
                    text.push_str(&format!("({number}) "));
                }
            }
            if text.len().saturating_add(sentence.len()) > room {
                break;
            }
            text.push_str(sentence);
        }
        text.extend(std::iter::repeat_n('.', room.saturating_sub(text.len())));
        Bytes::from(text + &tail)
    }
}

/// The end of a message and the start of the next one; the last is the user's.
fn separator(turn: usize, last: bool) -> &'static str {
    match last || turn.is_multiple_of(2) {
        false => r#""},{"role":"assistant","content":""#,
        true => r#""},{"role":"user","content":""#,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [usize; 3] = [1 << 10, 32 << 10, 256 << 10];

    fn messages(body: &[u8]) -> Vec<String> {
        let chat: serde_json::Value = serde_json::from_slice(body).unwrap();
        assert_eq!((chat["model"].as_str(), chat["stream"].as_bool()), (Some(MODEL), Some(true)));
        let messages = chat["messages"].as_array().unwrap();
        messages.iter().map(|message| message["content"].to_string()).collect()
    }

    #[test]
    fn bodies_are_chats_of_exactly_the_size_asked_for() {
        for size in SIZES {
            let bodies = Chats::new(size, true, false).take(3);
            assert!(bodies.iter().all(|body| body.len() == size));
            let messages = messages(&bodies[1]);
            assert!(messages.len() > size / (2 * MESSAGE_BYTES) && messages.len() >= 2);
        }
    }

    #[test]
    fn the_last_message_is_always_new_and_the_others_where_all_shall_be() {
        for size in SIZES {
            for fresh in [false, true] {
                let bodies = Chats::new(size, true, fresh).take(2 * VARIANTS);
                let (first, again) = (messages(&bodies[0]), messages(&bodies[VARIANTS]));
                assert_eq!(first.len(), again.len());
                // The first is the system's.
                let same = first.iter().zip(&again).filter(|(a, b)| a == b).count();
                assert_eq!(same, if fresh { 1 } else { first.len() - 1 });
                assert!(first.last().unwrap().len() <= 2 * MESSAGE_BYTES);
            }
        }
    }
}
