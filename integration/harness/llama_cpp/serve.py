"""A real model server without weights to download: llama.cpp's own, with a model that is made here.

    serve.py MODEL.gguf         makes the model, if it is not there yet
    serve.py MODEL.gguf PORT    serves it on 127.0.0.1:PORT until it is told to end
    serve.py MODEL.gguf PORT uncached    the same without a cache of prefixes: each answer is computed anew

The model has random weights from a fixed seed, so its text is noise; but it is the same noise on every
server, and the protocol, the queue, the cache of prefixes and the metrics are those of llama.cpp.
"""

import os
import signal
import sys
import tempfile

# The smallest sizes that llama.cpp takes without complaint; a whole model has 470 KB.
EMBEDDING, BLOCKS, HEADS, FEED_FORWARD = 64, 2, 4, 128
# Tokens that a model's training would have seen at once. Each of the slots below has that many.
CONTEXT = 4096
# Requests that a server takes at a time; others wait.
SLOTS = 2
# What clients call the model.
NAME = "tiny"
SEED = 20260131

# Tool calls as Qwen's and Hermes' templates write them: llama.cpp finds out from a template how a model calls
# tools, and holds a model to that form where a call is required. So noise, too, calls tools.
TEMPLATE = """\
{%- if tools %}<|system|># Tools
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
{% endif %}
{%- for message in messages %}<|{{ message.role }}|>
{%- if message.content %}{{ message.content }}{% endif %}
{%- if message.tool_calls %}
{%- for call in message.tool_calls %}
<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}</tool_call>
{%- endfor %}
{%- endif %}
{% endfor %}
{%- if add_generation_prompt %}<|assistant|>{% endif %}"""


def make(path):
    """Writes the model to `path`, under that name only once it is complete."""
    import gguf
    import numpy

    random = numpy.random.default_rng(SEED)
    folder = os.path.dirname(os.path.abspath(path))
    handle, partial = tempfile.mkstemp(dir=folder)
    os.close(handle)
    writer = gguf.GGUFWriter(partial, "llama")
    writer.add_name(NAME)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(EMBEDDING)
    writer.add_block_count(BLOCKS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(EMBEDDING // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    words = vocabulary(writer, gguf.TokenType)

    def tensor(name, *shape):
        values = random.normal(0, 0.08, shape) if len(shape) > 1 else numpy.ones(shape)
        writer.add_tensor(name, values.astype(numpy.float32))

    tensor("token_embd.weight", words, EMBEDDING)
    tensor("output_norm.weight", EMBEDDING)
    tensor("output.weight", words, EMBEDDING)
    for block in range(BLOCKS):
        tensor(f"blk.{block}.attn_norm.weight", EMBEDDING)
        tensor(f"blk.{block}.ffn_norm.weight", EMBEDDING)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensor(f"blk.{block}.{name}.weight", EMBEDDING, EMBEDDING)
        tensor(f"blk.{block}.ffn_gate.weight", FEED_FORWARD, EMBEDDING)
        tensor(f"blk.{block}.ffn_up.weight", FEED_FORWARD, EMBEDDING)
        tensor(f"blk.{block}.ffn_down.weight", EMBEDDING, FEED_FORWARD)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(partial, path)


def vocabulary(writer, kind):
    """The three tokens that every model has, one for each byte, and two for tool calls; answers with their number."""
    tokens = [("<unk>", kind.UNKNOWN), ("<s>", kind.CONTROL), ("</s>", kind.CONTROL)]
    tokens += [(f"<0x{byte:02X}>", kind.BYTE) for byte in range(256)]
    # Token 259: a `logit_bias` for it makes the model call a tool.
    tokens += [("<tool_call>", kind.USER_DEFINED), ("</tool_call>", kind.USER_DEFINED)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([name for name, _ in tokens])
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)
    writer.add_vocab_size(len(tokens))
    return len(tokens)


def serve(path, port, cached):
    """Serves the model until a signal comes."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.model_alias = [NAME]
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = CONTEXT * SLOTS
    params.n_parallel = SLOTS
    params.kv_unified = False
    params.warmup = False
    # What is cached changes the last bits of a float, and noise hangs on those.
    params.cache_prompt = cached
    params.endpoint_metrics = True
    # Vectors as OpenAI's API has them, beside texts.
    params.cache_ram_mib = 64
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.n_threads_http = 4
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    # Its threads have nothing that could get lost.
    os._exit(0)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    model = sys.argv[1]
    if not os.path.exists(model):
        make(model)
    if len(sys.argv) > 2:
        serve(model, int(sys.argv[2]), sys.argv[3:] != ["uncached"])
