# SPDX-License-Identifier: MIT
"""The public header, taken apart: what it says at its beginning, its types, constants and functions."""

import re
from collections import namedtuple

import text

Function = namedtuple("Function", "name result parameters blocks group introduction")
Constants = namedtuple("Constants", "title members")  # members: (name, value, meaning)
Type = namedtuple("Type", "name blocks")

COMMENT = re.compile(r"/\*(.*?)\*/", re.S)
GROUP = re.compile(r" *-{4} (.+?) -{4,}\s*(?:\n|$)")


class Header:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            source = file.read()
        self.introduction, self.types, self.constants, self.functions = [], [], [], []
        self._group = self._standing = None
        begin, end = source.index("/*"), source.rindex("#ifdef __cplusplus")
        pieces = list(COMMENT.finditer(self._hide_members(source[begin:end])))
        for number, piece in enumerate(pieces):
            last = number + 1 == len(pieces)
            code = piece.string[piece.end():None if last else pieces[number + 1].start()]
            self._take(piece[1], code.strip())

    def _hide_members(self, source):
        """Comments inside of an enumeration are its own."""
        self._members = []

        def hide(match):
            self._members.append(match[1])
            return "enum %d;" % (len(self._members) - 1)
        return re.sub(r"^enum \{\n(.*?)\n\};", hide, source, flags=re.S | re.M)

    def _take(self, comment, code):
        group = GROUP.match(comment)
        if group:
            self._group = group[1]
            comment = comment[group.end():]
            if not comment.strip():
                return
        comment = re.sub(r"^\s*SPDX-.*\n", "", comment)
        enumeration = re.match(r"enum (\d+);", code)
        if not self.introduction:
            self.introduction = text.comment(comment)
        elif enumeration:
            self.constants.append(Constants(" ".join(comment.split()).rstrip("."), self._enum(int(enumeration[1]))))
        elif code.startswith("typedef"):
            self.types.append(Type(re.search(r"(\w+);", code)[1], text.comment(comment)))
        elif not code:
            self._standing = text.comment(comment)
        else:
            self._function(comment, code)

    def _enum(self, number):
        found = re.findall(r"(\w+) = (-?\d+),?\s*/\*(.*?)\*/", self._members[number], re.S)
        if len(found) != len(re.findall(r"^\s*\w+ = ", self._members[number], re.M)):
            raise text.Mistake("a constant without a comment, or with an odd value, in: " + self._members[number])
        return [(name, value, " ".join(meaning.split())) for name, value, meaning in found]

    def _function(self, comment, code):
        match = re.fullmatch(r"([a-z][\w ]*?[ *]+)(redislock_\w+)\(([^()]*)\);", " ".join(code.split()))
        if not match:
            raise text.Mistake("no declaration of a function: " + code)
        parameters = [] if match[3] == "void" else [one.strip() for one in match[3].split(",")]
        names = [re.search(r"(\w+)$", one)[1] for one in parameters]
        self.functions.append(Function(match[2], match[1].strip(), parameters, text.comment(comment, names),
                                       self._group, self._standing))
        self._standing = None


def parameter_names(function):
    return [re.search(r"(\w+)$", one)[1] for one in function.parameters]


def prototype(function, width):
    """The lines of a declaration, broken to fit."""
    begin = function.result + ("" if function.result.endswith("*") else " ") + function.name + "("
    pieces = [one + "," for one in function.parameters[:-1]] + [(function.parameters or ["void"])[-1] + ");"]
    indent = len(begin)
    if indent + max(map(len, pieces)) > width:
        indent = 8
    lines = [begin]
    for number, piece in enumerate(pieces):
        gap = " " if number else ""
        if len(lines[-1] + gap + piece) > width:
            lines.append(" " * indent + piece)
        else:
            lines[-1] += gap + piece
    return lines
