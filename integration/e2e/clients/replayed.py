"""Streams that a replica is told to answer, and what a client makes of them with and without a guardrail.

argv: the guarded address, the replica's address, a JSON file: a list of {"name", "api", "body", "type"}.
"""

import json
import sys

guarded, plain, path = sys.argv[1:4]


def streams(*apis):
    with open(path, encoding="utf-8") as file:
        return [stream for stream in json.load(file) if stream["api"] in apis]


def script(stream):
    """What makes the replica answer the stream, in frames that end anywhere."""
    kind = stream.get("type", "text/event-stream")
    raw = {"headers": [["content-type", kind]], "body": stream["body"]}
    return {"raw": raw, "frame_bytes": stream.get("frame_bytes", 701)}


def without_ids(value):
    """A document as the client shows it."""
    return json.loads(json.dumps(value, default=lambda other: other.model_dump(mode="json")))


def outcome(read, base, stream):
    """What a client makes of a stream, or the error that it raises."""
    try:
        return without_ids(read(base, stream))
    except Exception as error:  # The client's own errors have to be the same, too.
        return [type(error).__name__, str(error)[:200]]


def compare(read, *apis):
    count, wrong = 0, []
    for stream in streams(*apis):
        expected, found = outcome(read, plain, stream), outcome(read, guarded, stream)
        count += 1
        if expected != found:
            wrong.append(f"{stream['name']}:\n  {json.dumps(expected)}\n  {json.dumps(found)}")
        for text in stream.get("texts", []):
            if text not in json.dumps(expected):
                wrong.append(f"{stream['name']}: {text} is missing in {json.dumps(expected)}")
    print(count, "streams of", ", ".join(apis))
    if wrong or not count:
        sys.exit("\n".join(wrong) or "no streams")
