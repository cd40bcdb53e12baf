"""The real anthropic client reads from llama.cpp through the gateway what it reads from llama.cpp itself."""

import anthropic

import compared

MODEL = "llama-3.1-8b-instruct"
MESSAGES = [{"role": "user", "content": [{"type": "text", "text": "Wie heißt die Stadt? 🏙️ " * 8}]}]
TOOLS = [{"name": "weather", "description": "The weather of a city.", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}]


def client(base):
    return anthropic.Anthropic(base_url=base, api_key="sk-canary", max_retries=0, timeout=60)


def settings(**options):
    # What has been cached shows in the last bits of what is computed.
    body = {"temperature": 0, "cache_prompt": False}
    return {"model": MODEL, "max_tokens": 24, "system": "You are brief.", "messages": MESSAGES, "extra_body": body, **options}


def message(**options):
    return lambda base: client(base).messages.create(**settings(**options))


def streamed(**options):
    def call(base):
        with client(base).messages.stream(**settings(**options)) as stream:
            events = list(stream)
            return [events, stream.get_final_message()]
    return call


def counted(base):
    return client(base).messages.count_tokens(model=MODEL, messages=MESSAGES, system="You are brief.")


compared.compare([
    ("a message", message(), '"stop_reason": "max_tokens"'),
    ("a message in a stream", streamed(), "content_block_delta"),
    ("a long stream", streamed(max_tokens=300), "content_block_delta"),
    ("a tool that may be called", message(tools=TOOLS), '"stop_reason"'),
    ("a tool that may be called, in a stream", streamed(tools=TOOLS), "content_block_delta"),
    ("a tool's result", message(tools=TOOLS, messages=[
        *MESSAGES,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Ulm"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "clear"}]},
    ]), '"stop_reason"'),
    ("a count of tokens", counted, '"input_tokens"'),
    ("too long a prompt", message(messages=[{"role": "user", "content": "x" * 9000}]), "BadRequestError"),
    ("no messages", message(messages=[]), ""),
])

try:
    client(compared.gateway).messages.create(model="nope", max_tokens=5, messages=MESSAGES)
    raise AssertionError("no NotFoundError")
except anthropic.NotFoundError as found:
    assert found.body["error"]["type"] == "not_found_error", found.body
