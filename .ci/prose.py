"""The prose of the Markdown pages: what is neither code nor markup. Read by `.ci/spelling`, `.ci/readability`, `.ci/links` and
`.ci/commands`."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*(.*)")


def pages():
    """Every tracked or new page but the change log, which names what there was."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"], check=True, capture_output=True, text=True, cwd=ROOT
    )
    paths = [path for path in sorted(set(listed.stdout.split("\0"))) if path and (ROOT / path).exists()]
    if len(paths) < 30:
        raise SystemExit(f"only {len(paths)} pages are read; this script looks in the wrong place")
    return [path for path in paths if path != "CHANGELOG.md"]


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def lines(text):
    """Number, line, and the language of the code block that the line is in: `None` outside of one."""
    fence, language = None, None
    for number, line in enumerate(text.splitlines(), 1):
        found = FENCE.match(line)
        if fence is None and found:
            fence, language = found[1], found[2].strip()
        elif fence is not None and found and found[1].startswith(fence) and not found[2]:
            fence, language = None, None
        else:
            yield number, line, language if fence is not None else None


def blocks(text):
    """First line, language and lines of each code block."""
    fence, language, start, body = None, "", 0, []
    for number, line in enumerate(text.splitlines(), 1):
        found = FENCE.match(line)
        if fence is None and found:
            fence, language, start, body = found[1], found[2].strip(), number, []
        elif fence is not None and found and found[1].startswith(fence) and not found[2]:
            yield start, language, body
            fence = None
        elif fence is not None:
            body.append(line)


def plain(text):
    """Without links' addresses, HTML and emphasis; a span of code becomes one word."""
    text = re.sub(r"<!--.*?-->|<[^<>\n]+>", " ", text)
    text = re.sub(r"\]\([^()\s]*(?:\([^()]*\)[^()\s]*)*\)|\]\[[^\]]*\]", "]", text)
    text = re.sub(r"`+[^`]*`+", " code ", text)
    return re.sub(r"https?://\S+", " code ", re.sub(r"[*\[\]]|(?<!\w)_|_(?!\w)", "", text))


def paragraphs(text):
    """First line and plain text of each paragraph and list item; no headings, no tables, no code, no HTML."""
    start, collected = 0, []

    def flush():
        if collected:
            yield start, plain(" ".join(collected))
        collected.clear()

    for number, line, language in lines(text):
        stripped = line.strip()
        if language is not None or not stripped or stripped.startswith(("#", "|", "<", "[^")) or re.match(r"\[[^\]]+\]:", stripped):
            yield from flush()
            continue
        item = re.match(r"(?:[-*+]|\d+\.)\s+(?:\[[ x]\]\s+)?(.*)", stripped)
        if item or stripped.startswith(">"):
            yield from flush()
            stripped = item[1] if item else stripped.lstrip("> ")
        if not collected:
            start = number
        collected.append(stripped)
    yield from flush()
