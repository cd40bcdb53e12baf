"""The real openai client reads from llama.cpp through the gateway what it reads from llama.cpp itself."""

import openai

import compared

MODEL = "llama-3.1-8b-instruct"
MESSAGES = [{"role": "system", "content": "You are brief."}, {"role": "user", "content": "Wie heißt die Stadt? 🏙️ " * 8}]
TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "enum": ["Ulm"]}}, "required": ["city"]}}}]
# A model of random weights calls no tool of itself: token 259 begins a call, and 2 ends the answer as soon as it may.
CALL = {"tools": TOOLS, "tool_choice": "required", "logit_bias": {"259": 50, "2": 100}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "city", "schema": {
    "type": "object", "properties": {"city": {"type": "string", "enum": ["Ulm"]}}, "required": ["city"], "additionalProperties": False}}}
# Greedy, and computed anew each time: what is cached changes the last bits of a float, and noise hangs on those.
SAME = {"temperature": 0, "seed": 7, "extra_body": {"cache_prompt": False}}


def client(base):
    return openai.OpenAI(base_url=base + "/v1", api_key="sk-canary", max_retries=0, timeout=60)


def chat(**options):
    settings = {"model": MODEL, "messages": MESSAGES, "max_tokens": 24, **SAME, **options}

    def call(base):
        answer = client(base).chat.completions.create(**settings)
        return list(answer) if settings.get("stream") else answer
    return call


def called(base):
    """A whole turn with a tool: the call, its result, the answer."""
    first = client(base).chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=200, **SAME, **CALL)
    message = first.choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": '{"sky": "clear"}'}
    asked = [*MESSAGES, {"role": "assistant", "content": None, "tool_calls": [plain(message.tool_calls[0])]}, result]
    second = client(base).chat.completions.create(model=MODEL, messages=asked, tools=TOOLS, max_tokens=24, **SAME)
    return [first, second]


def plain(call):
    return {"id": "call-1", "type": "function", "function": call.function.model_dump()}


def completion(**options):
    settings = {"model": MODEL, "prompt": "Once upon a time", "max_tokens": 24, **SAME, **options}

    def call(base):
        answer = client(base).completions.create(**settings)
        return list(answer) if settings.get("stream") else answer
    return call


def responses(**options):
    settings = {"model": MODEL, "input": "Hello", "max_output_tokens": 24, "temperature": 0, **options}

    def call(base):
        answer = client(base).responses.create(**settings, extra_body={"cache_prompt": False})
        return list(answer) if settings.get("stream") else answer
    return call


def embeddings(**options):
    return lambda base: client(base).embeddings.create(model=MODEL, input=["one", "zwei", "🏙️"], **options)


def raw(body):
    """What no client library sends."""
    def call(base):
        return client(base).post("/chat/completions", content=body, cast_to=object, options={"headers": {"content-type": "application/json"}})
    return call


STREAM = {"stream": True, "stream_options": {"include_usage": True}}
compared.compare([
    ("chat", chat(), '"finish_reason": "length"'),
    ("a chat in a stream", chat(stream=True), '"finish_reason": "length"'),
    ("its usage", chat(**STREAM), '"completion_tokens": 24'),
    ("a long stream", chat(**STREAM, max_tokens=400, logit_bias={"2": -100}), '"completion_tokens": 400'),
    ("two choices", chat(n=2), '"index": 1'),
    ("log probabilities", chat(logprobs=True, top_logprobs=2), '"top_logprobs"'),
    ("log probabilities in a stream", chat(logprobs=True, top_logprobs=2, stream=True), '"top_logprobs"'),
    ("a stop word", chat(stop=["!"], max_tokens=60), '"finish_reason"'),
    ("JSON of a schema", chat(response_format=SCHEMA, max_tokens=200), "Ulm"),
    ("JSON of a schema in a stream", chat(response_format=SCHEMA, max_tokens=200, stream=True), '"stop"'),
    ("a tool that may be called", chat(tools=TOOLS), '"finish_reason": "length"'),
    ("a tool call", chat(**CALL, max_tokens=200), '"finish_reason": "tool_calls"'),
    ("a tool call in a stream", chat(**CALL, **STREAM, max_tokens=200), '"finish_reason": "tool_calls"'),
    ("a tool's result", called, '"finish_reason": "length"'),
    ("a completion", completion(), '"text_completion"'),
    ("a completion in a stream", completion(stream=True), '"text_completion"'),
    ("a response", responses(), '"output_text"'),
    ("a response in a stream", responses(stream=True), "response.output_text.delta"),
    ("embeddings", embeddings(), '"embedding"'),
    ("embeddings as floats", embeddings(encoding_format="float"), '"embedding"'),
    ("too long a prompt", chat(messages=[{"role": "user", "content": "x" * 9000}]), "exceed_context_size_error"),
    ("too long a prompt in a stream", chat(messages=[{"role": "user", "content": "x" * 9000}], stream=True), "exceed_context_size_error"),
    ("a setting that is none", chat(response_format={"type": "nonsense"}), "BadRequestError"),
])

# Weir answers these itself: the server would take any model's name for its own.
through = client(compared.gateway)
for call, error, code in [
    (lambda: through.chat.completions.create(model="nope", messages=MESSAGES), openai.NotFoundError, "model_not_found"),
    (lambda: through.embeddings.create(model="nope", input="x"), openai.NotFoundError, "model_not_found"),
    (lambda: raw(b'{"model": "llama-3.1-8b-instruct", "messages": [{"role"')(compared.gateway), openai.BadRequestError, None),
    (lambda: chat(messages="hello")(compared.gateway), openai.BadRequestError, "invalid_type"),
    # The same kind of error as llama.cpp's own.
    (lambda: chat(messages="hello")(compared.server), openai.BadRequestError, None),
    (lambda: raw(b'{"model": "llama-3.1-8b-instruct", "messages": [{"role"')(compared.server), openai.BadRequestError, None),
]:
    try:
        call()
    except error as found:
        assert code is None or found.code == code, found.code
        assert found.type == "invalid_request_error", found.type
        continue
    raise AssertionError(f"no {error.__name__}")
