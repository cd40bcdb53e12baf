"""The real openai client through Envoy at argv[1]; an assertion that fails ends with 1."""

import sys

import openai

base = sys.argv[1]
client = openai.OpenAI(base_url=base + "/v1", api_key="sk-canary", max_retries=0, timeout=30)
messages = [{"role": "user", "content": "hello " * 40}]

# An alias, JSON and stream: the same text, and usage where it was asked for.
reply = client.chat.completions.create(model="gpt-4o-mini", messages=messages)
assert reply.choices[0].message.content and reply.usage.completion_tokens == 32
options = {"include_usage": True}
chunks = list(client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True, stream_options=options))
assert chunks[-1].usage.completion_tokens == 32 and chunks[-2].choices[0].finish_reason == "stop"
streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
assert streamed == reply.choices[0].message.content

texts = client.completions.create(model="qwen", prompt="a", max_tokens=3)
assert texts.choices[0].finish_reason == "length"
vectors = client.embeddings.create(model="qwen", input=["a", "b"], dimensions=8).data
assert len(vectors[1].embedding) == 8
response = client.responses.create(model="qwen", input="hi")
assert response.output_text

listed = [model.id for model in client.models.list()]
assert listed == ["llama-3.1-8b-instruct", "qwen", "qwen2.5-7b-instruct", "sql-expert"], listed
assert client.models.retrieve("qwen").id == "qwen"

for call, error, code in [
    (lambda: client.chat.completions.create(model="nope", messages=messages), openai.NotFoundError, "model_not_found"),
    (lambda: client.models.retrieve("nope"), openai.NotFoundError, "model_not_found"),
    (lambda: client.chat.completions.create(model=None, messages=messages), openai.BadRequestError, None),
]:
    try:
        call()
    except error as found:
        assert code is None or found.code == code, found.code
        continue
    raise AssertionError(f"no {error.__name__}")
