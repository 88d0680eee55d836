# SPDX-License-Identifier: MIT
"""A page for a browser. The names of functions and pages in a text lead to where they are described."""

from html import escape

import header
import text

STYLE = """body { font: 100%/1.5 sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff }
h1 { font-size: 1.5em } h2 { font-size: 1.2em; margin-top: 2em } h3 { font-size: 1em; margin-top: 1.5em }
pre { background: #f4f4f4; padding: .6em 1em; overflow-x: auto } code, pre { font-family: monospace }
dd { margin: 0 0 .5em 2em } a { color: #035; text-underline-offset: .15em } footer { margin-top: 3em; color: #666 }"""


def file_name(page):
    return "%s.%s.html" % (page.name, page.number)


def render(page, version, places):
    """places: what a name is found under, page or function."""
    title = "%s(%s)" % (page.name, page.number)
    body = ['<h1 id="%s">%s</h1>' % (escape(page.name), escape(title)), "<p>%s</p>" % escape(page.summary)]
    for kind, content in page.blocks:
        body.append(_block(kind, content, page.parameters, places))
    return _document(title, version, body)


def index(pages, version, places):
    body = ["<h1>redislock</h1>"]
    for number, title in (("7", "What it does"), ("1", "The program"), ("3", "The library")):
        body.append("<h2>%s</h2>\n<dl>" % title)
        for page in pages:
            if page.number == number:
                body.append("<dt>%s</dt><dd>%s</dd>" % (_span("page", (page.name, number), (), places),
                                                        escape(page.summary)))
        body.append("</dl>")
    return _document("redislock", version, body)


def _document(title, version, body):
    return ('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>%s</title>\n'
            '<meta name="viewport" content="width=device-width">\n<style>\n%s\n</style>\n</head>\n<body>\n%s\n'
            '<footer>redislock %s, <a href="index.html">all pages</a></footer>\n</body>\n</html>\n'
            % (escape(title), STYLE, "\n".join(body), escape(version)))


def _block(kind, content, parameters, places):
    def inline(one):
        return "".join(_span(kind, value, parameters, places) for kind, value in text.spans(one, parameters))

    if kind == "section":
        return "<h2>%s</h2>" % inline(content)
    if kind == "subsection":
        function = content[:-2] if content.endswith("()") else None
        anchor = ' id="%s"' % escape(function) if function else ""
        return "<h3%s>%s</h3>" % (anchor, escape(content) if function else inline(content))
    if kind == "paragraph":
        return "<p>%s</p>" % inline(content)
    if kind == "list":
        return "<ul>\n%s\n</ul>" % "\n".join("<li>%s</li>" % inline(item) for item in content)
    if kind == "terms":
        return "<dl>\n%s\n</dl>" % "\n".join("<dt>%s</dt><dd>%s</dd>" % (inline(term), inline(meaning))
                                             for term, meaning in content)
    if kind == "code":
        return "<pre>%s</pre>" % escape(content)
    if kind == "prototypes":
        declared = ["\n".join(header.prototype(function, 100)) for function in content]
        return "<pre>#include &lt;redislock/redislock.h&gt;\n\n%s</pre>" % escape("\n".join(declared))
    raise AssertionError(kind)


def _span(kind, value, parameters, places):
    if kind == "text":
        return escape(value)
    if kind == "link":
        return "".join(_span(inner, one, parameters, places) for inner, one in text.spans(value[0], parameters))
    if kind in ("page", "function"):
        title = "%s(%s)" % value if kind == "page" else value + "()"
        place = places.get(title if kind == "page" else value)
        return '<a href="%s">%s</a>' % (place, title) if place else title
    tag = {"strong": "strong", "emphasis": "em", "parameter": "em"}.get(kind, "code")
    return "<%s>%s</%s>" % (tag, escape(value), tag)
