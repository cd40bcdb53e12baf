"""The real google-genai client reads from a guarded stream what it reads from the replica."""

import json
import urllib.parse
import urllib.request

from google import genai
from google.genai import types

import replayed


def together(chunks):
    """Parts by candidate, with texts that follow each other joined as its chats do."""
    candidates, usage = {}, None
    for chunk in chunks:
        for candidate in chunk.get("candidates") or []:
            parts = candidates.setdefault(candidate.get("index") or 0, [])
            for part in (candidate.get("content") or {}).get("parts") or []:
                part = {name: value for name, value in part.items() if value}
                if parts and "text" in part and parts[-1].keys() == part.keys() <= {"text", "thought"}:
                    parts[-1]["text"] += part["text"]
                else:
                    parts.append(part)
            if reason := candidate.get("finish_reason") or candidate.get("finishReason"):
                parts.append({"end": reason})
        usage = chunk.get("usage_metadata") or chunk.get("usageMetadata") or usage
    return [sorted(candidates.items()), usage]


def headers(stream):
    return {"x-weir-reply-json": urllib.parse.quote(json.dumps(replayed.script(stream)))}


def generate(base, stream):
    client = genai.Client(api_key="canary", http_options=types.HttpOptions(
        base_url=base, headers=headers(stream), retry_options=types.HttpRetryOptions(attempts=1)))
    chunks = client.models.generate_content_stream(model="qwen", contents="x")
    return together([chunk.model_dump(mode="json") for chunk in chunks])


def array(base, stream):
    """Without `alt=sse`, as plain HTTP clients ask."""
    body = json.dumps({"contents": [{"parts": [{"text": "x"}]}]}).encode()
    request = urllib.request.Request(
        base + "/v1beta/models/qwen:streamGenerateContent", data=body,
        headers={"content-type": "application/json", **headers(stream)})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return together(json.load(reply))


replayed.compare(generate, "gemini")
replayed.compare(array, "gemini-array")
