"""Throughput of Presidio's pattern recognisers on the benchmark's texts.

Reads a JSON object of texts by their names on stdin and writes one of figures to stdout; `weir-bench-scan` calls it.
Needs what presidio.txt lists. Only recognisers that work by pattern run; no language model is loaded.
"""

import importlib.metadata
import json
import sys
import time

import tldextract
from presidio_analyzer import PatternRecognizer
from presidio_analyzer import predefined_recognizers as predefined

# The list of public suffixes that comes with the package, kept in memory: nothing is fetched while measuring, and nothing
# is left in the user's cache.
tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
tldextract.extract = tldextract.tldextract.TLD_EXTRACTOR.__call__

NAMES = [
    "CreditCardRecognizer", "CryptoRecognizer", "EmailRecognizer", "IbanRecognizer", "IpRecognizer",
    "UsSsnRecognizer", "PhoneRecognizer", "UrlRecognizer", "NhsRecognizer", "AuTfnRecognizer",
    "AuAbnRecognizer", "AuMedicareRecognizer", "EsNifRecognizer", "ItFiscalCodeRecognizer",
    "PlPeselRecognizer", "SgFinRecognizer", "InAadhaarRecognizer", "InPanRecognizer",
]
# Python is slow enough that a part of each text will do.
CHARACTERS = 32 * 1024


def recognisers():
    for name in NAMES:
        kind = getattr(predefined, name, None)
        if kind is not None:
            yield kind()


def analyse(recogniser, text):
    entities = recogniser.supported_entities
    if isinstance(recogniser, PatternRecognizer):
        return recogniser.analyze(text, entities)
    return recogniser.analyze(text, entities, nlp_artifacts=None)


def seconds(chosen, text):
    best = float("inf")
    for _ in range(2):
        started = time.perf_counter()
        for recogniser in chosen:
            analyse(recogniser, text)
        best = min(best, time.perf_counter() - started)
    return best


def main():
    texts = json.load(sys.stdin)
    chosen = list(recognisers())
    figures = {}
    for number, (name, text) in enumerate(texts.items(), start=1):
        print(f"  {number} of {len(texts)}: {name}", file=sys.stderr)
        part = text[:CHARACTERS]
        size = len(part.encode())
        figures[name] = {"bytes": size, "mb_per_s": size / seconds(chosen, part) / 1e6}
    version = importlib.metadata.version("presidio_analyzer")
    print(json.dumps({"version": version, "recognisers": len(chosen), "texts": figures}))


main()
