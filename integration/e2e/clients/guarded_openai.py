"""The real openai client through a redacting guardrail at argv[1]."""

import json
import sys
import urllib.parse

import openai

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="sk-canary", max_retries=0, timeout=30)
messages = [{"role": "user", "content": "Who is it?"}]
text = "It is ann@example.com, with 4111 1111 1111 1111."
clean = "It is [EMAIL], with [CREDIT_CARD]."
call = {"id": "c1", "name": "send", "arguments": json.dumps({"to": "ann@example.com", "n": 4111111111111111})}
choices = [{"content": text, "tool_calls": [call]}, {"content": "Second: " + text}]


def scripted(script):
    return {"x-weir-reply-json": urllib.parse.quote(json.dumps(script))}


def check(choice, content, arguments):
    assert content == clean, content
    assert json.loads(arguments) == {"to": "[EMAIL]", "n": "[CREDIT_CARD]"}, arguments


reply = client.chat.completions.create(
    model="qwen", messages=messages, n=2, extra_headers=scripted({"choices": choices}))
first, second = reply.choices
check(first, first.message.content, first.message.tool_calls[0].function.arguments)
assert second.message.content == "Second: " + clean

for chars in (1, 4, 1000):
    content, arguments, name, finished = {0: "", 1: ""}, "", "", set()
    stream = client.chat.completions.create(
        model="qwen", messages=messages, n=2, stream=True,
        extra_headers=scripted({"choices": choices, "chunk_chars": chars, "frame_bytes": 11}))
    for chunk in stream:
        for choice in chunk.choices:
            content[choice.index] += choice.delta.content or ""
            for tool in choice.delta.tool_calls or []:
                arguments += tool.function.arguments or ""
                name += tool.function.name or ""
            if choice.finish_reason:
                finished.add(choice.index)
    check(None, content[0], arguments)
    assert content[1] == "Second: " + clean and name == "send" and finished == {0, 1}

with client.responses.stream(
        model="qwen", input="Who?", extra_headers=scripted({"text": text, "chunk_chars": 3})) as events:
    streamed = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    final = events.get_final_response()
assert streamed == clean and final.output_text == clean, (streamed, final.output_text)

secret = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}]
try:
    client.chat.completions.create(model="qwen", messages=secret)
    raise AssertionError("an image passed")
except openai.BadRequestError as error:
    assert error.code == "content_policy_violation", error.code
