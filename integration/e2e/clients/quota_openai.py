"""The real openai client against a spent quota at argv[1]: one request, and no more."""

import sys

import openai

sent = []
http = openai.DefaultHttpxClient(event_hooks={"request": [sent.append]})
client = openai.OpenAI(
    base_url=sys.argv[1] + "/v1",
    api_key="key-of-ann",
    max_retries=3,
    timeout=60,
    http_client=http,
)
try:
    client.chat.completions.create(model="gpt-4o", max_tokens=500, messages=[{"role": "user", "content": "Hi"}])
    raise AssertionError("it is not refused")
except openai.RateLimitError as error:
    assert error.code == "insufficient_quota" and error.type == "insufficient_quota", error.body
    assert error.status_code == 429
    assert "current quota" in error.message, error.message
    assert int(error.response.headers["retry-after"]) > 3600, error.response.headers
assert len(sent) == 1, f"{len(sent)} requests: a client that tries again cannot get through"
