# SPDX-License-Identifier: MIT
"""A page for man(1), in the macros of man(7)."""

import re
import textwrap

import header
import text

WIDTH = 78 - 7  # of a line in a terminal of 80 columns
TITLE = 31      # of what stands twice in the first one, with its section, beside a word

SENTENCE = re.compile(r"[.?!](?:[\"')\]*]|\\fP)*$")

FONTS = {"code": "B", "strong": "B", "emphasis": "I", "function": "B", "constant": "B", "parameter": "I"}


def render(page, names, version, date):
    lines = ['.TH %s %s %s "redislock %s" "%s"' % (*_head(page), date, version, _manual(page))]
    lines += [".nh", ".ad l"]  # names are not to be broken
    lines += [".SH NAME"] + _wrap("%s \\- %s" % (", ".join(map(_escape, names)), _escape(page.summary)))
    after_heading = True
    for kind, content in page.blocks:
        lines += _block(kind, content, after_heading, page.parameters)
        after_heading = kind in ("section", "subsection")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def link(page):
    return ".so man%s/%s.%s\n" % (page.number, page.name, page.number)


def _head(page):
    """Title and section, which stand at both ends of the first line; cut where they would run into each other."""
    title = page.name.upper()
    if len(title) > TITLE:
        title = title[:TITLE - 3] + "..."
    return title.replace("-", "\\-"), page.number


def _manual(page):
    """What stands between them: a word alone where they are long."""
    manual = {"1": "User Commands", "3": "Library Functions", "7": "Conventions"}[page.number]
    return manual if len(page.name) < 27 else manual.split()[0]


def _block(kind, content, after_heading, parameters):
    gap = [] if after_heading else [".PP"]
    if kind == "section":
        return [".SH " + _escape(content.upper())]
    if kind == "subsection":
        return [".SS " + _inline(content, parameters)]
    if kind == "paragraph":
        return gap + _fill(content, parameters)
    if kind == "list":
        return [line for item in content for line in [".IP \\(bu 2"] + _fill(item, parameters)]
    if kind == "terms":
        return [line for term, meaning in content
                for line in [".TP", _term(term, parameters)] + _fill(meaning, parameters)]
    if kind == "code":
        return gap + [".RS 4", ".EX"] + [_code(line) for line in content.split("\n")] + [".EE", ".nh", ".RE"]
    if kind == "prototypes":
        return gap + [".nf"] + _synopsis(content) + [".fi"]
    raise AssertionError(kind)


def _fill(content, parameters):
    lines = ["\\&" + line if line[:1] in (".", "'") else line for line in _wrap(_inline(content, parameters))]
    # There would be two spaces after a sentence, but only where it happens to end a line of the source.
    return [line + "\\&" if SENTENCE.search(line) else line for line in lines[:-1]] + lines[-1:]


def _wrap(line):
    return textwrap.wrap(line, 78, break_long_words=False, break_on_hyphens=False)


def _term(term, parameters):
    marked = any(kind != "text" for kind, _ in text.spans(term, parameters))
    return _inline(term, parameters) if marked else "\\fI" + _escape(term) + "\\fP"


def _inline(content, parameters):
    pieces = []
    for kind, value in text.spans(content, parameters):
        if kind == "text":
            pieces.append(_escape(value))
        elif kind == "link":
            pieces.append(_inline(value[0], parameters))
        elif kind == "page":
            pieces.append("\\fB%s\\fP(%s)" % (_escape(value[0], True), value[1]))
        else:
            pieces.append("\\f%s%s\\fP" % (FONTS[kind], _escape(value, kind == "code")))
            if kind == "function":
                pieces.append("()")
    return "".join(pieces)


def _escape(content, literal=False):
    """literal: it may be copied to a shell, so that a hyphen is a minus, and a quote one of ASCII."""
    escaped = content.replace("\\", "\\e").replace("^", "\\(ha").replace("~", "\\(ti").replace("`", "\\(ga")
    return escaped.replace("-", "\\-").replace("'", "\\(aq").replace('"', "\\(dq") if literal else escaped


def _code(line):
    escaped = _escape(line, True)
    return "\\&" + escaped if escaped[:1] in (".", "'") else escaped


def _synopsis(functions):
    lines = ["\\fB#include <redislock/redislock.h>\\fP"]
    previous = None
    for function in functions:
        declared = header.prototype(function, WIDTH)
        # A blank line stands before and after what takes several.
        if previous is None or len(declared) > 1 or previous > 1:
            lines.append(".PP")
        previous = len(declared)
        names = set(header.parameter_names(function))
        for line in declared:
            lines.append("\\fB" + _mark(line, names) + "\\fP")
    return lines


def _mark(line, names):
    """The parameters of a declaration, each before a comma or the closing parenthesis, in italics."""
    pieces = []
    for piece in line.replace(")", ",)").split(","):
        begin, space, word = piece.rstrip().rpartition(" ")
        stars = len(word) - len(word.lstrip("*"))
        if word[stars:] in names:
            piece = begin + space + word[:stars] + "\\fP\\fI" + word[stars:] + "\\fP\\fB"
        pieces.append(piece)
    return ",".join(pieces).replace(",)", ")")
