# SPDX-License-Identifier: MIT
"""Text as it is written in the header's comments and in Markdown, taken apart into blocks.

A block is ("paragraph", text), ("list", [text]), ("terms", [(term, text)]), ("code", text), ("section", title) or
("subsection", title). Text has `code`, **strong** and *emphasis* in it; spans() takes that apart."""

import re

TERM = re.compile(r"( *)(\S+(?: \S+)*) {2,}(\S.*)")


class Mistake(Exception):
    """Something in a source that a person has to mend."""


def comment(text, parameters=()):
    """The blocks of a C comment, given without its delimiters. A line that begins with "parameter:" begins a paragraph,
    too, as does one with terms: words, two spaces or more, and what they mean."""
    blocks = []
    for lines in _groups(re.sub(r"^ ?\*(?: |$)", "", text.strip("\n"), flags=re.M).strip().split("\n")):
        if len(lines) > 1 and not _begins_terms(lines) and lines[1].startswith(" ") and _begins_terms(lines[1:]):
            blocks += [("subsection", lines[0].strip())]
            lines = lines[1:]
        if _begins_terms(lines):
            blocks.append(("terms", _terms(lines)))
        if not lines:
            continue
        paragraph = []
        for line in lines:
            if paragraph and re.match(r"(\w+):", line) and line.split(":")[0] in parameters:
                blocks.append(("paragraph", " ".join(paragraph)))
                paragraph = []
            paragraph.append(line.strip())
        blocks.append(("paragraph", " ".join(paragraph)))
    return blocks


def _groups(lines):
    group = []
    for line in lines + [""]:
        if line.strip():
            group.append(line.rstrip())
        elif group:
            yield group
            group = []


def _begins_terms(lines):
    return TERM.fullmatch(lines[0]) is not None


def _terms(lines):
    """Takes the terms away from the lines."""
    terms = []
    indent = len(TERM.fullmatch(lines[0])[1])
    while lines:
        match = TERM.fullmatch(lines[0])
        if match and len(match[1]) == indent:
            terms.append((match[2], match[3]))
        elif lines[0].startswith(" "):
            terms[-1] = (terms[-1][0], terms[-1][1] + " " + lines[0].strip())
        else:
            break
        del lines[0]
    return terms


def markdown(text):
    """The blocks of Markdown: headings, paragraphs, lists, tables of two columns, fenced or indented code, and terms
    whose meaning begins with a colon in the next line."""
    blocks = []
    lines = re.sub(r"<!--.*?-->\n?", "", text, flags=re.S).split("\n")
    while lines:
        line = lines.pop(0)
        if not line.strip():
            continue
        if line.startswith("```"):
            end = lines.index("```")
            blocks.append(("code", "\n".join(lines[:end])))
            del lines[:end + 1]
        elif line.startswith("    "):
            code = [line[4:]] + _take(lines, lambda next: next.startswith("    "), lambda next: next[4:])
            blocks.append(("code", "\n".join(code)))
        elif line.startswith("#"):
            kind = "section" if line.startswith("# ") else "subsection"
            blocks.append((kind, line.lstrip("# ")))
        elif line.startswith("- "):
            blocks.append(("list", _items([line] + _take(lines, lambda next: re.match(r"- |  ", next)))))
        elif line.startswith("|"):
            rows = [line] + _take(lines, lambda next: next.startswith("|"))
            cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]
            blocks.append(("terms", [(row[0], " | ".join(row[1:])) for row in cells]))
        elif lines and lines[0].startswith(":   "):
            meaning = _take(lines, lambda next: re.match(r":   |    ", next), lambda next: next[4:])
            if blocks and blocks[-1][0] == "terms":
                blocks[-1][1].append((line, " ".join(meaning)))
            else:
                blocks.append(("terms", [(line, " ".join(meaning))]))
        else:
            paragraph = [line] + _take(lines, lambda next: next.strip() and not re.match(r"- |#|\||```", next))
            blocks.append(("paragraph", " ".join(word.strip() for word in paragraph)))
    return blocks


def _take(lines, wanted, change=lambda line: line):
    taken = []
    while lines and wanted(lines[0]):
        taken.append(change(lines.pop(0)))
    return taken


def _items(lines):
    items = []
    for line in lines:
        if line.startswith("- "):
            items.append(line[2:])
        else:
            items[-1] += " " + line.strip()
    return items


SPAN = re.compile(
    r"`(?P<code>[^`]+)`"
    r"|\*\*(?P<strong>[^*]+)\*\*"
    r"|(?<![\w*])\*(?P<emphasis>[^*\s](?:[^*]*[^*\s])?)\*(?![\w*])"
    r"|\[(?P<link>[^]]+)\]\((?P<target>[^)]+)\)"
    r"|(?P<page>\b[\w-]+)\((?P<number>[1-8])\)"
    r"|\b(?P<function>redislock_[a-z0-9_]+)\(\)"
    r"|\b(?P<constant>REDISLOCK_[A-Z][A-Z0-9_]*\b\*?)")


def spans(text, parameters=()):
    """Pairs of a kind and what it is: text, code, strong, emphasis, link (text, target), page (name, number), function,
    constant, parameter."""
    place = 0
    for match in SPAN.finditer(text):
        yield from _plain(text[place:match.start()], parameters)
        kind = next(key for key, value in match.groupdict().items() if value is not None)
        value = match[kind]
        if kind == "link":
            value = (value, match["target"])
        elif kind == "page":
            value = (value, match["number"])
        yield kind, value
        place = match.end()
    yield from _plain(text[place:], parameters)


def _plain(text, parameters):
    # Words like "name" are also words of English: sure is only what stands before a colon, or has an underscore.
    names = "|".join(name + ("" if "_" in name else r"(?=:)") for name in parameters)
    for number, part in enumerate(re.split(r"\b(" + names + r")\b", text) if names else [text]):
        if part:
            yield "parameter" if number % 2 else "text", part
