"""The real anthropic client through Envoy at argv[1]; an assertion that fails ends with 1."""

import sys

import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key="sk-canary", max_retries=0, timeout=30)
messages = [{"role": "user", "content": "hello " * 40}]

answer = client.messages.create(model="gpt-4o", max_tokens=5, messages=messages)
assert answer.stop_reason == "max_tokens" and answer.usage.output_tokens == 5
with client.messages.stream(model="gpt-4o", max_tokens=5, messages=messages) as stream:
    text = "".join(stream.text_stream)
    final = stream.get_final_message()
assert text == answer.content[0].text and final.usage.output_tokens == 5

for call, error, kind in [
    (lambda: client.messages.create(model="nope", max_tokens=5, messages=messages), anthropic.NotFoundError, "not_found_error"),
    (lambda: client.messages.create(model=7, max_tokens=5, messages=messages), anthropic.BadRequestError, "invalid_request_error"),
]:
    try:
        call()
    except error as found:
        assert found.body["error"]["type"] == kind, found.body
        continue
    raise AssertionError(f"no {error.__name__}")
