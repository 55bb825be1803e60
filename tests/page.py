"""The page of `dioshim report --html`, for tests. Silent and 0 when right.

  page.py figures PAGE JSON      every figure of the page is the JSON's, and the
                                 JSON's are there
  page.py closed PAGE            no script, nothing from elsewhere, one style
  page.py same PAGE DOM          a browser has made of it what stands in it
  page.py contrast PAGE          WCAG AA of the style's colours, in both modes
  page.py texts PAGE TEXT...     these texts are shown, as texts
  page.py timeline PAGE JSON N   N pictures over time; the last one's sums
"""
import json
import re
import sys
from html.parser import HTMLParser

WRONG = []
SHOWN = {"files": 20, "sites": 20, "processes": 100, "misfits": 50}


def same(what, got, want):
    if got != want:
        WRONG.append(f"{what}: {got!r}, not {want!r}")


class Page(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.figures, self.tags, self.texts, self.style, self.inside = [], [], [], "", None
        with open(path, encoding="utf-8") as f:
            self.feed(f.read())
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if "data-name" in attrs:
            self.figures.append((attrs["data-name"], int(attrs["data-value"])))
        if tag in ("style", "bdi", "title"):
            self.inside = tag
            if tag == "bdi":
                self.texts.append("")

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "style":
            self.style += data
        elif self.inside == "bdi":
            self.texts[-1] += data


def look_up(report, name):
    """What the JSON has under a name; None: nothing there."""
    part, words = report, name.split(".")
    if words[0] == "timeline":
        return None
    if words[0] == "rest":
        return sum(look_up(report, ".".join([words[1], str(i), *words[2:]]))
                   for i in range(SHOWN[words[1]], len(report[words[1]])))
    if words[0] == "sum":
        return sum(look_up(report, ".".join([words[1], str(i), *words[2:]])) for i in range(len(report[words[1]])))
    for word in words:
        part = part[int(word)] if isinstance(part, list) else part[word]
    return part


def flat(where, part):
    if isinstance(part, dict):
        for key, value in part.items():
            yield from flat(f"{where}.{key}" if where else key, value)
    elif isinstance(part, list):
        for i, value in enumerate(part):
            yield from flat(f"{where}.{i}", value)
    elif not isinstance(part, (bool, str)):
        yield where, part


def check_figures(page, report):
    with open(report, encoding="utf-8") as f:
        report = json.load(f)
    figures = Page(page).figures
    names = {name for name, _ in figures}
    for name, value in figures:
        if not name.startswith("timeline."):
            same(name, value, look_up(report, name))
    for key in ("routes", "copies", "counters", "reasons", "classes"):
        for name, value in flat(key, report[key]):
            if name not in names and not (key == "reasons" and not value) and not (key == "classes" and not report["classified"]):
                WRONG.append(f"{name} is not on the page")
    for key in ("seen_bytes", "unseen_bytes", "rchar", "wchar"):
        if f"witness.{key}" not in names:
            WRONG.append(f"witness.{key} is not on the page")
    for key, inner in (("files", ("routes", "read_bytes", "written_bytes")),
                       ("sites", ("routes", "calls", "copied_bytes", "address", "offset", "length")),
                       ("processes", ("routes",)), ("misfits", ("address", "offset", "length"))):
        for i, row in enumerate(report[key][:SHOWN[key]]):
            for what in inner:
                for name, _ in flat(f"{key}.{i}.{what}", row[what]):
                    if not re.search(r"\.routes\.\w+\.calls$|remainder$|off_bytes$|uncounted_calls$", name) and name not in names:
                        WRONG.append(f"{name} is not on the page")
        if key in ("files", "sites") and (len(report[key]) > SHOWN[key]) != any(n.startswith(f"rest.{key}") for n in names):
            WRONG.append(f"the rest of {key}")


def check_closed(page):
    page = Page(page)
    for tag, attrs in page.tags:
        if tag in ("script", "link", "iframe", "object", "embed", "img", "base", "form", "a", "use", "image"):
            WRONG.append(f"<{tag}>")
        for name, value in attrs.items():
            if name.startswith("on") or name in ("src", "href", "xlink:href", "style", "action", "background"):
                WRONG.append(f"<{tag} {name}={value}>")
    if re.search(r"url\(|@import|expression|https?:", page.style):
        WRONG.append("the style wants something from elsewhere")
    same("policies", [a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"],
         ["default-src 'none'; style-src 'unsafe-inline'"])
    same("styles", [t for t, _ in page.tags].count("style"), 1)


def check_same(page, dom):
    page, dom = Page(page), Page(dom)
    same("figures", dom.figures, page.figures)
    same("texts", dom.texts, page.texts)
    extra = {t for t, _ in dom.tags} - {t for t, _ in page.tags} - {"tbody"}
    same("elements made up by the browser", extra, set())


def luminance(colour):
    if len(colour) == 4:
        colour = "#" + "".join(2 * c for c in colour[1:])
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(a, b):
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def check_contrast(page):
    style = Page(page).style
    modes = re.findall(r":root\{([^}]*)\}", style)
    same("modes", len(modes), 2)
    colours = {}
    for mode in modes:
        colours = dict(re.findall(r"--(\w+):(#\w+)", mode))
        for text in ("text", "soft", "bad", "zero_copy"):
            for ground in ("ground", "panel"):
                if contrast(colours[text], colours[ground]) < 4.5:
                    WRONG.append(f"{text} on {ground}: {contrast(colours[text], colours[ground]):.2f}")
        for route in ("zero_copy", "bounced", "staged", "cached", "in_kernel", "not_file"):
            for ground in ("ground", "track"):
                if contrast(colours[route], colours[ground]) < 3:
                    WRONG.append(f"{route} on {ground}: {contrast(colours[route], colours[ground]):.2f}")


def check_texts(page, *texts):
    shown = Page(page).texts
    for text in texts:
        if not any(text in one for one in shown):
            WRONG.append(f"{text!r} is not shown")


def check_timeline(page, report, n):
    with open(report, encoding="utf-8") as f:
        report = json.load(f)
    page = Page(page)
    same("pictures", sum(a.get("class") == "timeline" for _, a in page.tags), int(n))
    last = [f for f in page.figures if f[0].startswith("timeline.")][-5:]
    for name, value in last:
        same(name, value, report["routes"][name.split(".")[1]]["bytes"])
    if not any(t == "path" and "M" in a["d"] for t, a in page.tags):
        WRONG.append("nothing is drawn")


if __name__ == "__main__":
    globals()[f"check_{sys.argv[1]}"](*sys.argv[2:])
    for line in WRONG[:20]:
        print(line)
    sys.exit(1 if WRONG else 0)
