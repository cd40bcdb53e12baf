"""The real openai client reads from a guarded stream what it reads from the replica."""

import openai
from openai.lib.streaming._deltas import accumulate_delta

import replayed


def client(base):
    return openai.OpenAI(base_url=base + "/v1", api_key="sk-canary", max_retries=0, timeout=30)


def chat(base, stream):
    """Deltas put together as the library does it for its own snapshots."""
    chunks = client(base).chat.completions.create(
        model="qwen", messages=[{"role": "user", "content": "x"}], stream=True,
        extra_body={"weir_reply": replayed.script(stream)})
    choices, usage = {}, []
    for chunk in chunks:
        for choice in chunk.choices or []:
            whole = choice.model_dump(exclude_unset=True)
            whole.pop("index", None)
            choices[choice.index] = accumulate_delta(choices.get(choice.index, {}), whole)
        if chunk.usage:
            usage = chunk.usage
    return [sorted(choices.items()), usage]


def completions(base, stream):
    chunks = client(base).completions.create(
        model="qwen", prompt="x", stream=True, extra_body={"weir_reply": replayed.script(stream)})
    texts = {}
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + choice.text
    return sorted(texts.items())


def responses(base, stream):
    """Texts by what they are of, and every other event in its order."""
    events = client(base).responses.create(
        model="qwen", input="x", stream=True, extra_body={"weir_reply": replayed.script(stream)})
    texts, others = {}, []
    for event in events:
        if isinstance(delta := getattr(event, "delta", None), str):
            place = [str(getattr(event, name, None)) for name in ("output_index", "content_index", "summary_index")]
            name = "/".join([event.type, *place])
            texts[name] = texts.get(name, "") + delta
        else:
            others.append(event)
    return [sorted(texts.items()), others]


replayed.compare(chat, "chat")
replayed.compare(completions, "text")
replayed.compare(responses, "responses")
