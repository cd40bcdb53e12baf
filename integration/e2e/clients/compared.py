"""What a client sees through the gateway and what it sees of the server itself.

argv: the gateway's address, the server's own.
"""

import json
import sys

gateway, server = sys.argv[1:3]

# What differs from one answer to the next of the same server: ids and times.
FLEETING = {"id", "item_id", "created", "created_at", "completed_at", "timings", "_request_id"}


def lasting(value):
    """A document without what is another one in each answer."""
    if isinstance(value, dict):
        kept = {key: lasting(member) for key, member in value.items() if key not in FLEETING}
        # Of the prompt, how much was cached is another number each time; the sum is not.
        if isinstance(cached := kept.get("cache_read_input_tokens"), int) and isinstance(kept.get("input_tokens"), int):
            kept["input_tokens"] += cached
            del kept["cache_read_input_tokens"]
        return kept
    if isinstance(value, list):
        return [lasting(member) for member in value]
    return value


def plain(value):
    """What a client library returns, as JSON has it."""
    return json.loads(json.dumps(value, default=lambda other: other.model_dump(mode="json")))


def outcome(call, base):
    """What a client makes of an answer, or the error that it raises."""
    try:
        return lasting(plain(call(base)))
    except Exception as error:  # The client's own errors have to be the same, too.
        shown = [type(error).__name__, getattr(error, "status_code", None), getattr(error, "body", None)]
        return lasting(shown if shown[1] else [type(error).__name__, str(error)[:300]])


def compare(calls):
    """Makes each call twice; `calls` has for each a name, the call, and what its outcome has to contain."""
    wrong = []
    for name, call, expected in calls:
        direct, through = outcome(call, server), outcome(call, gateway)
        if direct != through:
            wrong.append(f"{name}:\n  {json.dumps(direct)[:3000]}\n  {json.dumps(through)[:3000]}")
        if expected not in json.dumps(direct):
            wrong.append(f"{name}: {expected!r} is not in {json.dumps(direct)[:3000]}")
    print(len(calls), "calls")
    if wrong:
        sys.exit("\n".join(wrong))
