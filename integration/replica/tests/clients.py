"""The real openai and anthropic clients against a replica at argv[1]; an assertion that fails ends with 1."""

import sys

import anthropic
import openai

base = sys.argv[1]
client = openai.OpenAI(base_url=base + "/v1", api_key="x", max_retries=0)
claude = anthropic.Anthropic(base_url=base, api_key="x", max_retries=0)
messages = [{"role": "user", "content": "hello " * 40}]
arguments = '{"city": "Zürich", "days": 2}'
script = {
    "weir_reply": {
        "chunk_chars": 3,
        "choices": [
            {
                "reasoning_content": "hm",
                "content": "ok then",
                "tool_calls": [{"name": "weather", "arguments": arguments}],
            }
        ],
    }
}

reply = client.chat.completions.create(model="m", messages=messages, n=2, logprobs=True, top_logprobs=2)
assert len(reply.choices) == 2 and reply.choices[0].finish_reason == "stop"
first = reply.choices[0].logprobs.content[0]
assert reply.choices[0].message.content.startswith(first.token) and len(first.top_logprobs) == 2
again = client.chat.completions.create(model="m", messages=messages)
assert again.usage.prompt_tokens_details.cached_tokens == again.usage.prompt_tokens // 16 * 16

options = {"include_usage": True}
chunks = list(client.chat.completions.create(model="m", messages=messages, stream=True, stream_options=options))
assert chunks[-1].usage.completion_tokens == 32 and chunks[-2].choices[0].finish_reason == "stop"
streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
assert streamed == again.choices[0].message.content

with client.chat.completions.stream(model="m", messages=messages, extra_body=script) as stream:
    message = stream.get_final_completion().choices[0].message
assert message.content == "ok then" and message.reasoning_content == "hm"
assert message.tool_calls[0].function.arguments == arguments

texts = client.completions.create(model="m", prompt=["a", "b"], max_tokens=3)
assert len(texts.choices) == 2 and texts.choices[1].finish_reason == "length"
pieces = client.completions.create(model="m", prompt="a", max_tokens=3, stream=True)
assert len("".join(piece.choices[0].text for piece in pieces).split()) == 3

vectors = client.embeddings.create(model="m", input=["a", "b"], dimensions=8).data
assert len(vectors[1].embedding) == 8 and vectors[0].embedding != vectors[1].embedding

response = client.responses.create(model="m", input="hi", extra_body=script)
assert response.output_text == "ok then" and response.output[2].arguments == arguments
with client.responses.stream(model="m", input="hi", extra_body=script) as stream:
    kinds = [event.type for event in stream]
    assert stream.get_final_response().output_text == "ok then"
assert kinds[0] == "response.created" and kinds[-1] == "response.completed"

answer = claude.messages.create(model="m", max_tokens=5, messages=messages)
assert answer.stop_reason == "max_tokens" and answer.usage.output_tokens == 5
assert answer.usage.cache_read_input_tokens > 0
with claude.messages.stream(model="m", max_tokens=5, messages=messages, extra_body=script) as stream:
    assert "".join(stream.text_stream) == "ok then"
    final = stream.get_final_message()
assert final.stop_reason == "tool_use"
assert [block.type for block in final.content] == ["thinking", "text", "tool_use"]
assert final.content[2].input == {"city": "Zürich", "days": 2}

for call, error in [
    (lambda: client.chat.completions.create(model="other", messages=messages), openai.NotFoundError),
    (lambda: claude.messages.create(model="other", max_tokens=5, messages=messages), anthropic.NotFoundError),
]:
    try:
        call()
    except error:
        continue
    raise AssertionError("an unknown model was served")
assert [model.id for model in client.models.list()] == ["m"]
