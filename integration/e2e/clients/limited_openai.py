"""The real openai client against limits at argv[1]: two requests at once, then one a second."""

import sys
import time

import openai

headers = {"x-weir-output-tokens": "5"}
client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="key-of-ann", max_retries=4, timeout=60, default_headers=headers)
impatient = client.with_options(max_retries=0)
messages = [{"role": "user", "content": "Hi"}]


def ask(by, max_tokens=5):
    return by.chat.completions.with_raw_response.create(model="gpt-4o", max_tokens=max_tokens, messages=messages)


left = [int(ask(impatient).headers["x-ratelimit-remaining-tokens"]) for _ in range(2)]
assert left[0] > left[1], left
try:
    ask(impatient)
    raise AssertionError("the third is not refused")
except openai.RateLimitError as error:
    assert error.code == "rate_limit_exceeded" and error.type == "rate_limit_error", error.body
    wait = int(error.response.headers["retry-after-ms"])
    assert 0 < wait <= 1000, wait

# The client goes by retry-after-ms.
started = time.monotonic()
answer = ask(client)
assert answer.retries_taken == 1, answer.retries_taken
assert time.monotonic() - started >= wait / 1000 - 0.1

# What never fits is not tried again.
time.sleep(1.1)
try:
    ask(client, max_tokens=5000)
    raise AssertionError("what never fits is admitted")
except openai.RateLimitError as error:
    assert error.code == "request_exceeds_limit", error.body
    assert error.response.headers["x-should-retry"] == "false"
