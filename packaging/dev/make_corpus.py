#!/usr/bin/env python3
"""Writes resources/corpus/notes.txt: what this project itself has written, in English and Chinese, one paragraph after another.

    python3 packaging/dev/make_corpus.py

The recipe tiny-gpt learns from it. Taken: the root documents, the notes of the labs, the texts of the window in both languages, the names
of the tests and the comments of the sources. A paragraph that repeats an earlier one is left out, so that nothing held out is also learnt.
The file is committed: neither the build nor the program needs Python.
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "resources" / "corpus" / "notes.txt"


def markdown(path):
    text = path.read_text(encoding="utf-8")
    return [p.strip() for p in re.split(r"\n\s*\n", text) if p.strip()]


def comments(path):
    """Runs of // lines, joined to paragraphs."""
    found, lines = [], []
    for line in path.read_text(encoding="utf-8").splitlines() + [""]:
        match = re.match(r"\s*//+ ?(.*)$", line)
        if match and match.group(1).strip():
            lines.append(match.group(1).rstrip())
            continue
        if lines:
            found.append("\n".join(lines))
        lines = []
    return [f for f in found if len(f) > 40]  # shorter ones say little without their code


def claims(path):
    """The names of tests: each a sentence."""
    return re.findall(r'^TEST_CASE\("([^"\\]+)"', path.read_text(encoding="utf-8"), re.MULTILINE)


def main():
    documents = []
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "DECISIONS.md"]:
        documents.append(markdown(ROOT / name))
    for path in sorted((ROOT / "resources" / "labs").glob("**/notes.*.md")):
        documents.append(markdown(path))
    for path in sorted((ROOT / "resources" / "help").glob("**/*.md")):
        documents.append(markdown(path))
    # English and Chinese beside each other: a small dictionary of the subject.
    for path in sorted((ROOT / "resources" / "i18n" / "zh").glob("*.json")):
        pairs = json.loads(path.read_text(encoding="utf-8")).items()
        documents.append([f"{english}\n{chinese}" for english, chinese in pairs if english and chinese and english != chinese])
    for folder in ["core", "shaders", "app", "tests"]:
        for path in sorted((ROOT / folder).glob("**/*")):
            if path.suffix in {".h", ".cpp", ".comp", ".glsl"}:
                documents.append(claims(path) + comments(path))
    seen, paragraphs = set(), []
    for document in documents:
        for paragraph in document:
            key = re.sub(r"\W+", " ", paragraph.lower())
            if key not in seen:
                seen.add(key)
                paragraphs.append(paragraph)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(paragraphs) + "\n"
    OUTPUT.write_text(text, encoding="utf-8")
    print(f"{OUTPUT.relative_to(ROOT)}: {len(paragraphs)} paragraphs, {len(text.encode('utf-8'))} bytes")


if __name__ == "__main__":
    main()
