"""The real anthropic client against a spent quota at argv[1]: one request, and no more."""

import sys

import anthropic

sent = []
http = anthropic.DefaultHttpxClient(event_hooks={"request": [sent.append]})
client = anthropic.Anthropic(
    base_url=sys.argv[1],
    api_key="key-of-ann",
    max_retries=3,
    timeout=60,
    http_client=http,
)
try:
    client.messages.create(model="gpt-4o", max_tokens=500, messages=[{"role": "user", "content": "Hi"}])
    raise AssertionError("it is not refused")
except anthropic.RateLimitError as error:
    assert error.body["error"]["type"] == "rate_limit_error", error.body
    assert error.body["error"]["details"] == {"error_code": "enforced_spend_limit_reached"}, error.body
    assert "current quota" in error.body["error"]["message"], error.body
assert len(sent) == 1, f"{len(sent)} requests: a client that tries again cannot get through"
