"""The real anthropic client reads from a guarded stream what it reads from the replica."""

import anthropic

import replayed


def messages(base, stream):
    """The message that the library puts together, and what its stream of events told."""
    client = anthropic.Anthropic(base_url=base, api_key="sk-canary", max_retries=0, timeout=30)
    told = []
    with client.beta.messages.stream(
            model="qwen", max_tokens=50, messages=[{"role": "user", "content": "x"}],
            extra_body={"weir_reply": replayed.script(stream)}) as events:
        for event in events:
            if event.type not in ("content_block_delta", "text", "thinking", "input_json", "compaction"):
                told.append(event.type)
        return [events.get_final_message(), told]


replayed.compare(messages, "messages")
