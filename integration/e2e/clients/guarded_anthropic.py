"""The real anthropic client through a redacting guardrail at argv[1]."""

import json
import sys
import urllib.parse

import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key="sk-canary", max_retries=0, timeout=30)
messages = [{"role": "user", "content": "Who is it?"}]
text = "It is ann@example.com, with 4111 1111 1111 1111."
clean = "It is [EMAIL], with [CREDIT_CARD]."
call = {"id": "c1", "name": "send", "arguments": json.dumps({"to": "ann@example.com"})}
script = {"choices": [{"content": text, "tool_calls": [call]}], "chunk_chars": 3, "frame_bytes": 13}
headers = {"x-weir-reply-json": urllib.parse.quote(json.dumps(script))}

answer = client.messages.create(model="qwen", max_tokens=50, messages=messages, extra_headers=headers)
assert answer.content[0].text == clean, answer.content
assert answer.content[1].input == {"to": "[EMAIL]"}, answer.content

with client.messages.stream(model="qwen", max_tokens=50, messages=messages, extra_headers=headers) as stream:
    streamed = "".join(stream.text_stream)
    final = stream.get_final_message()
assert streamed == clean and final.content[0].text == clean, streamed
assert final.content[1].input == {"to": "[EMAIL]"} and final.stop_reason == "tool_use", final
