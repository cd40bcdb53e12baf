"""The real anthropic client reads from a guarded stream what it reads from the replica."""

import anthropic

import replayed


def messages(base, stream):
    """The message that the library puts together, and in which order its events told of it."""
    client = anthropic.Anthropic(base_url=base, api_key="sk-canary", max_retries=0, timeout=30)
    told = []
    with client.beta.messages.stream(
            model="qwen", max_tokens=50, messages=[{"role": "user", "content": "x"}],
            extra_body={"weir_reply": replayed.script(stream)}) as events:
        for event in events:
            of = [event.type, getattr(event, "index", None), getattr(getattr(event, "delta", None), "type", None)]
            if event.type in ("text", "thinking", "input_json") or told[-1:] == [of]:
                continue
            told.append(of)
        return [events.get_final_message(), told]


replayed.compare(messages, "messages")
