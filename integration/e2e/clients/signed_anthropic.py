"""The real anthropic client with signed thinking, under a policy that gives values names, at argv[1].

The maker of the signature is played here: it answers the next turn only if the thinking is what it signed.
"""

import base64
import hashlib
import json
import sys
import urllib.parse

import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key="sk-canary", max_retries=0, timeout=30)
EMAIL = "ann@example.com"
THINKING = "They are [EMAIL_1], and want a letter."
SIGNATURE = hashlib.sha256(THINKING.encode()).hexdigest()
first = [{"role": "user", "content": f"I am {EMAIL}. Who am I?"}]


def scripted(body, kind="application/json"):
    raw = {"headers": [["content-type", kind]], "body": body}
    return {"x-weir-reply-json": urllib.parse.quote(json.dumps({"raw": raw, "frame_bytes": 19}))}


def check(message):
    thinking, text = message.content
    assert thinking.thinking == THINKING and thinking.signature == SIGNATURE, thinking
    assert text.text == f"You are {EMAIL}.", text
    return [{"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in message.content]}]


content = [
    {"type": "thinking", "thinking": THINKING, "signature": SIGNATURE},
    {"type": "text", "text": "You are [EMAIL_1]."},
]
head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "qwen", "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1}}
whole = {**head, "content": content, "stop_reason": "end_turn"}
answer = client.messages.create(
    model="qwen", max_tokens=50, messages=first, extra_headers=scripted(json.dumps(whole)))
history = check(answer)

deltas = [("thinking_delta", "thinking", piece) for piece in (THINKING[:13], THINKING[13:18], THINKING[18:])]
events = [{"type": "message_start", "message": {**head, "content": [], "stop_reason": None}},
          {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}]
events += [{"type": "content_block_delta", "index": 0, "delta": {"type": kind, name: piece}} for kind, name, piece in deltas]
events += [{"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": SIGNATURE}},
           {"type": "content_block_stop", "index": 0},
           {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
           {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "You are [EM"}},
           {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "AIL_1]."}},
           {"type": "content_block_stop", "index": 1},
           {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 9}},
           {"type": "message_stop"}]
sse = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
with client.messages.stream(model="qwen", max_tokens=50, messages=first,
                            extra_headers=scripted(sse, "text/event-stream")) as stream:
    assert check(stream.get_final_message()) == history

# The next turn: what the maker gets is what it signed, and the same value has the same name again.
turn = first + history + [{"role": "user", "content": "Write it."}]
reply = client.messages.with_raw_response.create(
    model="qwen", max_tokens=50, messages=turn, stream=True, extra_headers={"x-weir-echo": "1"})
echo = json.loads(base64.b64decode(reply.headers["x-weir-echo"]))
got = json.loads(echo["body"])["messages"]
assert got[1]["content"][0]["thinking"] == THINKING, got
assert got[1]["content"][0]["signature"] == SIGNATURE, got
assert got[1]["content"][1]["text"] == "You are [EMAIL_1].", got
assert got[0]["content"] == "I am [EMAIL_1]. Who am I?", got
