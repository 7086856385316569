"""The console's files, ours and others'."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

from gateway.console.assets import STATIC, Assets

VENDORED = re.compile(r"^\| `(?P<name>[^`]+)` .* \| (?P<size>\d+) \| `(?P<sha256>[0-9a-f]{64})` \|$", re.MULTILINE)
MAX_TRANSFER_BYTES = 1_500_000


def test_files_of_others_are_what_we_say_they_are() -> None:
    """Each has the size and the hash of VENDORED.md, and none is there that it does not name."""
    folder = STATIC / "vendor"
    said = {
        match["name"]: (int(match["size"]), match["sha256"])
        for match in VENDORED.finditer((folder / "VENDORED.md").read_text())
    }
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "VENDORED.md"}
    assert {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in found.items()} == said


def test_all_of_it_is_small() -> None:
    """Every file, packed, is far below the 1.5 MB that a page may take."""
    assets = Assets()
    sizes = [len(found.packed) for name in assets.names() if (found := assets.find(name))]
    assert sum(sizes) + len(assets.page.packed) < MAX_TRANSFER_BYTES / 10


def test_a_change_of_any_file_is_another_address(tmp_path: Path) -> None:
    """The version follows every byte and every name; the page names it."""
    (tmp_path / "index.html").write_text("<p>{{version}}</p>")
    (tmp_path / "a.js").write_text("1")
    first = Assets(tmp_path)
    assert first.version.encode() in first.page.content
    (tmp_path / "a.js").write_text("2")
    assert Assets(tmp_path).version != first.version
    (tmp_path / "a.js").rename(tmp_path / "b.js")
    assert Assets(tmp_path).version not in {first.version, ""}


def test_only_pages_code_and_pictures_are_served() -> None:
    """Licences and notes are in the package, not on the network; nor is anything outside of the folder."""
    assets = Assets()
    assert all(
        assets.find(name) is None
        for name in ("vendor/VENDORED.md", "vendor/LICENSE.htm", "../assets.py", "index.html", "")
    )
    found = assets.find("app.js")
    assert found is not None
    assert gzip.decompress(found.packed) == found.content


def test_every_module_that_is_imported_is_there() -> None:
    """No import of a page leads nowhere."""
    ours = [path for path in STATIC.rglob("*.js") if path.parent.name != "vendor"]
    named = [(path, target) for path in ours for target in re.findall(r'from "(\.[^"]+)"', path.read_text())]
    missing = [f"{path.name}: {target}" for path, target in named if not (path.parent / target).is_file()]
    assert len(named) > 50
    assert missing == []


def test_our_code_makes_no_markup_of_data_and_asks_nobody_else() -> None:
    """No innerHTML, no eval, no address of another host, no inline script or style in what we wrote."""
    ours = [
        path for path in STATIC.rglob("*") if path.suffix in {".js", ".html", ".css"} and path.parent.name != "vendor"
    ]
    text = "\n".join(path.read_text() for path in ours)
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "dangerously",
        "document.write",
        "eval(",
        "new Function",
    ):
        assert word not in text
    assert (
        re.findall(
            r"(?:https?:)?//(?!127\.0\.0\.1)[a-z][\w.-]+\.[a-z]+", re.sub(r"http://www\.w3\.org/2000/svg", "", text)
        )
        == []
    )
    page = (STATIC / "index.html").read_text()
    assert re.findall(r"<style|style=|<script>| on\w+=", page) == []


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


TEXTS = [(text, ground) for text in ("text", "muted") for ground in ("bg", "surface", "sunken", "raised")]
TEXTS += [("text", "bad-soft"), ("text", "warn-soft"), ("muted", "bad-soft"), ("on-accent", "accent")]
TEXTS += [(name, ground) for name in ("accent", "good", "warn", "bad") for ground in ("surface", f"{name}-soft")]
PICTURES = [(f"c{number}", "surface") for number in (*range(1, 9), "-other")]
PICTURES += [("focus", "bg"), ("focus", "surface"), ("strong-line", "surface")]


def test_contrast_is_wcag_aa_in_both_themes() -> None:
    """Text has at least 4.5 to 1 on every ground it stands on; lines, bars, borders of fields and the focus 3 to 1."""
    blocks = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in (STATIC / "theme.css").read_text().split(" color-scheme: ")[1:]
    ]
    assert len(blocks) == 3
    assert blocks[1] == blocks[2]
    assert blocks[0].keys() == blocks[1].keys()
    weak = [
        (name, ground, round(_contrast(colours[name], colours[ground]), 2))
        for colours in blocks[:2]
        for pairs, least in ((TEXTS, 4.5), (PICTURES, 3.0))
        for name, ground in pairs
        if _contrast(colours[name], colours[ground]) < least
    ]
    assert weak == []
