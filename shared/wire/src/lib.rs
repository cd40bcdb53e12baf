//! API dialects: request and response facts with byte spans, SSE, span edits, error bodies.
