"""Throughput of Presidio's pattern recognisers on the benchmark's texts.

Usage: weir-bench-scan FOLDER && python presidio.py FOLDER
Needs presidio-analyzer. Only recognisers that work by pattern run; no language model is loaded.
"""

import json
import pathlib
import sys
import time

import tldextract
from presidio_analyzer import PatternRecognizer
from presidio_analyzer import predefined_recognizers as predefined

# The list of public suffixes that comes with the package: nothing is fetched while measuring.
tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())
tldextract.extract = tldextract.tldextract.TLD_EXTRACTOR.__call__

NAMES = [
    "CreditCardRecognizer", "CryptoRecognizer", "EmailRecognizer", "IbanRecognizer", "IpRecognizer",
    "UsSsnRecognizer", "PhoneRecognizer", "UrlRecognizer", "NhsRecognizer", "AuTfnRecognizer",
    "AuAbnRecognizer", "AuMedicareRecognizer", "EsNifRecognizer", "ItFiscalCodeRecognizer",
    "PlPeselRecognizer", "SgFinRecognizer", "InAadhaarRecognizer", "InPanRecognizer",
]
# Python is slow enough that a part of each text will do.
BYTES = 32 * 1024


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


def main():
    chosen = list(recognisers())
    result = {"recognisers": len(chosen), "texts": {}}
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.txt")):
        text = path.read_text(encoding="utf-8")[:BYTES]
        best = float("inf")
        for _ in range(2):
            started = time.perf_counter()
            for recogniser in chosen:
                analyse(recogniser, text)
            best = min(best, time.perf_counter() - started)
        result["texts"][path.stem] = {"mb_per_s": len(text.encode()) / best / 1e6}
    print(json.dumps(result, indent=2))


main()
