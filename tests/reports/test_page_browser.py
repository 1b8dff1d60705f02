"""The report in a real browser: what a colleague who opens the file sees, hears and saves.

Needs Debian's chromium. Elsewhere these tests skip; under CI they must run.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

from streamsim_reports.page import write_page

WriteRun = Callable[..., Path]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing = "needs a browser: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    with sync_playwright() as playwright:
        # a container has no user namespaces for the sandbox; the pages are our own
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


class Opened:
    """A page, and everything that it should not have said or asked for."""

    def __init__(self, context: BrowserContext, file: Path) -> None:
        self.page = context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", self._dialog)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())

    def _dialog(self, dialog: Any) -> None:
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()


Open = Callable[..., Opened]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens a file: `open_page(file, width=1400, scheme="light")`."""
    contexts = []

    def opened(file: Path, width: int = 1400, scheme: Any = "light", **more: Any) -> Opened:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **more
        )
        contexts.append(context)
        return Opened(context, file)

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def report(five_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(five_runs, tmp_path_factory.mktemp("report") / "report.html")


EVIL = [
    "<script>alert('name')</script>",
    "<img src=x onerror=alert('image')>",
    "\"><svg onload=alert('svg')>",
    "</title></style></script><script>alert('close')</script>",
    "' autofocus onfocus=alert('focus') x='",
    "javascript:alert('url')",
    "{{ 7 * 7 }}{% raw %}",
    r"$\frac{1}$ \$ _x ^y & % #",
    "_starts with an underscore",
    "null \x00 escape \x1b[31m right-to-left \u202e surrogate \ud800 emoji \N{GRINNING FACE}",
    "long" * 400,
]


@pytest.fixture(scope="module")
def hostile(write_run: WriteRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of runs in which every text that a stranger chooses is an attack."""
    root = tmp_path_factory.mktemp("hostile")
    folders = []
    for position, evil in enumerate(EVIL):
        folder = write_run(
            root / f"<b>{position}<script>",
            experiences=2,
            seeds=3,
            settings=[{"strategy.swept": 1}],
            diverged={(0, 0): 1},
        )
        info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        info["configuration"] |= {"scenario": EVIL[0], "strategy": evil, "model": EVIL[1]}
        info["configuration"]["options"] |= {f"x.{evil}": evil, "y": [evil, {evil: evil}]}
        info["configuration"]["sweep"] = {"strategy.swept": [evil]}
        info["settings"] = [{"strategy.swept": evil}]
        info["notes"] = [evil, *EVIL]
        info["stream"]["reveals"] = [EVIL[0]]
        info["environment"] |= {"device": evil, evil: evil, "packages": {evil: evil}}
        info["environment"]["command"] = ["streamsim", "run", evil]
        info["steps"], info["peak_bytes"] = {"choice": evil}, {evil: 1}
        (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
        folders.append(folder)
    return write_page(folders, root / "report.html")


# -- opening ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_from_disk_silently_and_asks_for_nothing(
    report: Path, open_page: Open, scheme: str
) -> None:
    opened = open_page(report, scheme=scheme)
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith("data:")] == [report.as_uri()]


def test_the_first_screen_answers_who_by_how_much_and_how_sure(
    report: Path, open_page: Open, five_runs: list[Path]
) -> None:
    """The made-up strategies forget in a known order; the numbers come from the tables."""
    page = open_page(report).page
    means = {folder.name: _forgetting(folder).mean() for folder in five_runs}
    order = sorted(means, key=lambda name: means[name])
    answer = page.locator(".answer").first
    assert answer.locator(".winner").inner_text() == order[0] == "replay"
    assert f"{means[order[0]]:.3f}" in answer.inner_text()
    assert f"{means[order[1]] - means[order[0]]:.3f} less than {order[1]}" in answer.inner_text()
    assert "Sure:" in answer.inner_text()
    table = page.locator("table").first
    assert table.locator("tbody th").all_inner_texts() == order
    box = table.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 900


def _forgetting(folder: Path) -> np.ndarray[Any, Any]:
    """Chaudhry et al. 2018, seed by seed in plain loops over the Parquet table."""
    table = pd.read_parquet(folder / "accuracy.parquet")
    found = []
    for _, rows in table.groupby("seed"):
        columns = (rows[name].tolist() for name in ("after", "on", "accuracy"))
        cells: dict[tuple[int, int], float] = {(i, j): a for i, j, a in zip(*columns, strict=True)}
        last = max(after for after, _ in cells)
        drops = [max(cells[i, j] for i in range(j, last)) - cells[last, j] for j in range(last)]
        found.append(sum(drops) / last)
    return np.array(found)


# -- tables ----------------------------------------------------------------------------------------
def _column(table: Locator, index: int) -> list[float]:
    texts = table.locator(f"tbody tr > :nth-child({index + 1})").all()
    return [float(t.get_attribute("data-sort") or "nan") for t in texts]


def test_tables_sort_by_click_and_say_so(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    table = page.locator("#scenario-1-metrics")
    head = table.locator("thead th").nth(1)
    assert head.get_attribute("aria-sort") is None
    given = _column(table, 1)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert _column(table, 1) == sorted(given, reverse=True)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert _column(table, 1) == sorted(given)
    table.locator("thead th").nth(0).get_by_role("button").click()
    assert head.get_attribute("aria-sort") is None
    names = table.locator("tbody th").all_inner_texts()
    assert names == sorted(names)


def test_tables_sort_by_keyboard(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    table = page.locator("#scenario-1-standings")
    assert table.locator("thead th").nth(1).get_attribute("aria-sort") == "ascending"
    button = table.locator("thead th").nth(1).get_by_role("button")
    button.focus()
    page.keyboard.press("Enter")
    assert _column(table, 1) == sorted(_column(table, 1), reverse=True)
    page.keyboard.press("Space")
    assert _column(table, 1) == sorted(_column(table, 1))
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.textContent")
    assert focused == table.locator("thead th").nth(2).inner_text().rstrip("\u00a0↕")


def test_what_is_unknown_stays_last(write_run: WriteRun, open_page: Open, tmp_path: Path) -> None:
    """One run is unfinished, so some of its metrics have no number."""
    runs = [write_run(tmp_path / "a", strategy="naive", done=2)]
    runs += [write_run(tmp_path / name, strategy=name, retention=0.7) for name in ("ewc", "lwf")]
    page = open_page(write_page(runs, tmp_path / "report.html")).page
    table = page.locator("#scenario-1-metrics")
    for _ in range(2):
        table.locator("thead th").nth(1).get_by_role("button").click()
        assert table.locator("tbody th").all_inner_texts()[-1] == "naive"


def test_every_number_downloads_and_is_right(
    report: Path, open_page: Open, five_runs: list[Path]
) -> None:
    page = open_page(report).page
    links = page.locator("a.download").all()
    assert len(links) >= 5
    names = set()
    for position, link in enumerate(links, 1):
        if position % 8 == 0:  # the browser refuses more than ten downloads a second
            page.wait_for_timeout(1100)
        with page.expect_download(timeout=10_000) as download:
            link.click()
        text = Path(download.value.path()).read_text(encoding="utf-8")
        names.add(download.value.suggested_filename)
        table = pd.read_csv(io.StringIO(text))
        assert len(table) > 0, download.value.suggested_filename
        if download.value.suggested_filename == "scenario-1-metrics.csv":
            _check_metrics(table, five_runs)
        if download.value.suggested_filename == "scenario-1-by-experience.csv":
            _check_experiences(table, five_runs)
    assert len(names) == len(links)
    assert {"scenario-1-metrics.csv", "scenario-1-by-experience.csv"} <= names


def _check_metrics(table: pd.DataFrame, folders: list[Path]) -> None:
    from scipy import stats

    by = table.set_index(["label", "metric"])
    for folder in folders:
        values = _forgetting(folder)
        low, high = stats.t.interval(
            0.95, len(values) - 1, loc=values.mean(), scale=stats.sem(values)
        )
        row: Any = by.loc[(folder.name, "forgetting")]
        assert row["mean"] == pytest.approx(values.mean(), abs=1e-8)
        assert row["ci95"] == pytest.approx((high - low) / 2, abs=1e-8)
        assert row["num_seeds"] == len(values)


def _check_experiences(table: pd.DataFrame, folders: list[Path]) -> None:
    by = table.set_index(["label", "experience"])["mean"]
    for folder in folders:
        rows = pd.read_parquet(folder / "accuracy.parquet")
        for on in range(5):
            chosen = rows[(rows["after"] == 4) & (rows["on"] == on)]
            mean = float(chosen["correct"].sum()) / float(chosen["total"].sum())
            assert by.loc[(folder.name, on + 1)] == pytest.approx(mean, abs=1e-8)


# -- looks -----------------------------------------------------------------------------------------
OUTSIDE = """() => [...document.querySelectorAll('body *')].filter(e => {
    const box = e.getBoundingClientRect();
    return box.width && box.right > innerWidth + 1 && !e.closest('.scroll') && !e.closest('.skip');
}).map(e => e.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("width", [380, 800, 1400])
@pytest.mark.parametrize("which", ["report", "hostile"])
def test_nothing_overflows(
    which: str, width: int, open_page: Open, request: pytest.FixtureRequest
) -> None:
    page = open_page(request.getfixturevalue(which), width).page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OUTSIDE) == []


def test_words_stand_beside_the_first_figure_and_below_it(report: Path, open_page: Open) -> None:
    page = open_page(report, 1300).page
    right = page.evaluate("document.querySelector('.screen figure').getBoundingClientRect().right")
    left = page.evaluate(
        "[...document.querySelectorAll('.words div')].map(e => e.getBoundingClientRect().left)"
    )
    assert min(left) < right < max(left)


def test_row_lines_go_with_the_names_that_stay_in_view(report: Path, open_page: Open) -> None:
    page = open_page(report, 380).page
    name = page.locator("#scenario-1-metrics tbody th").first
    before = name.bounding_box()
    page.evaluate("document.querySelector('#scenario-1-metrics').parentElement.scrollLeft = 200")
    assert name.bounding_box() == before
    # borders that cells share stay behind where a cell is sticky
    assert page.evaluate(
        "getComputedStyle(document.querySelector('#scenario-1-metrics')).borderCollapse"
    ) == "separate"  # fmt: skip


CONTRASTS = """() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const rgb = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map(v => v / 255)
            .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    // what is painted under the middle of a text of a figure: cells of heat maps, bands
    const painted = (e) => {
        const svg = e.closest('svg'), box = e.getBoundingClientRect();
        const middle = new DOMPoint(box.x + box.width / 2, box.y + box.height / 2);
        let colour = ground(svg);
        for (const shape of svg.querySelectorAll('path, rect, text')) {
            if (shape === e) break;
            const style = getComputedStyle(shape), matrix = shape.getScreenCTM?.();
            if (!shape.isPointInFill || style.fill === 'none' || shape.closest('defs')) continue;
            if (!shape.isPointInFill(middle.matrixTransform(matrix.inverse()))) continue;
            const clip = /url\\(#(.*)\\)/.exec(shape.getAttribute('clip-path') || '');
            if (clip) {
                const at = middle.matrixTransform(svg.getScreenCTM().inverse());
                const frame = document.getElementById(clip[1]).firstElementChild;
                const [x, y, w, h] = ['x', 'y', 'width', 'height'].map(
                    name => Number(frame.getAttribute(name)));
                if (at.x < x || at.x > x + w || at.y < y || at.y > y + h) continue;
            }
            const share = Number(style.fillOpacity) * Number(style.opacity);
            const over = rgb(style.fill);
            colour = colour.map((v, i) => i < 3 ? share * over[i] + (1 - share) * v : 255);
        }
        return colour;
    };
    const ground = (e) => {
        for (; e; e = e.parentElement) {
            const colour = rgb(getComputedStyle(e).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return rgb('white');
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const e = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || !e.checkVisibility()) continue;
        if (e.closest('script, style, title, desc')) continue;
        const style = getComputedStyle(e);
        const own = e.closest('svg') ? style.fill : style.color;
        const [a, b] = [light(rgb(own)), light(e.closest('svg') ? painted(e) : ground(e))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        found.push([ratio, e.textContent.trim().slice(0, 60), own]);
    }
    return found;
}"""


@pytest.fixture(scope="module")
def transference(write_run: WriteRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with heat maps in all colours that they have, with other limits in each panel."""
    root, runs = tmp_path_factory.mktemp("transference"), []
    for name, spread in {"naive": 3.0, "replay": 0.4}.items():
        cells = pd.DataFrame(list(np.ndindex(2, 5, 5)), columns=["seed", "source", "target"])
        cells["ratio"] = 2 ** (spread * np.linspace(-1, 1, 25)[np.arange(50) % 25])
        table = cells.assign(setting=0, after=4, loss_before=1.0, loss_after=cells["ratio"])
        runs.append(write_run(root / name, strategy=name, seeds=2, tables={"transference": table}))
    return write_page(runs, root / "report.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["report", "transference"])
def test_every_text_is_legible(
    which: str, open_page: Open, scheme: str, request: pytest.FixtureRequest
) -> None:
    """WCAG 2.2 AA: a contrast of 4.5 between text and what is behind it, figures included."""
    page = open_page(request.getfixturevalue(which), scheme=scheme).page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 200
    assert sorted(found for found in contrasts if found[0] < 4.5) == []
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(255, 255, 255)") == (scheme == "light")


def test_the_scheme_can_be_switched_by_hand(report: Path, open_page: Open) -> None:
    page = open_page(report, scheme="light").page
    shade = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(shade)
    page.locator("#theme").click()
    assert page.evaluate(shade) != before
    page.locator("#theme").click()
    assert page.evaluate(shade) == before


def test_it_prints_whole_and_on_white(report: Path, open_page: Open) -> None:
    page = open_page(report, scheme="dark").page
    opened = page.evaluate(
        "() => { let n; addEventListener('beforeprint', () => "
        "{ n = document.querySelectorAll('details:not([open])').length; });"
        "dispatchEvent(new Event('beforeprint')); return n; }"
    )
    assert opened == 0
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(format="A4").count(b"/Type /Page\n") > 2


# -- without eyes, without a mouse, without scripts ------------------------------------------------
def test_it_reads_aloud(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    for landmark in ("banner", "navigation", "main", "contentinfo"):
        assert page.get_by_role(landmark).count() == 1, landmark
    levels = page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4')].map(h => Number(h.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.evaluate("document.querySelectorAll('th:not([scope])').length") == 0
    assert page.evaluate("document.querySelectorAll('table:not(:has(caption))').length") == 0
    for figure in page.locator("figure").all():
        assert figure.locator("figcaption").inner_text()
        picture = figure.get_by_role("img")
        assert picture.count() == 1
        assert page.evaluate(
            "e => e.getAttribute('aria-labelledby').split(' ').every(id => "
            "document.getElementById(id).textContent.trim().length > 5)",
            picture.element_handle(),
        )
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids)) > 20


def test_the_keyboard_skips_to_the_results(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_every_link_within_the_page_leads_somewhere(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    links = "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.getAttribute('href'))"
    targets = page.evaluate(links)
    assert len(targets) > 5
    for target in targets:
        assert page.locator(target).count() == 1, target


def test_without_scripts_it_still_says_everything(report: Path, open_page: Open) -> None:
    page = open_page(report, java_script_enabled=False).page
    assert page.locator("table").first.locator("tbody tr").count() == 5
    assert page.locator("button:visible").count() == 0


def test_commands_can_be_copied(report: Path, open_page: Open, browser: Browser) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page: Page = Opened(context, report).page
    page.locator("button.copy").first.click()
    page.get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#command-1").text_content()
    assert copied.startswith("streamsim run split-digits")
    context.close()


# -- strangers -------------------------------------------------------------------------------------
def test_a_hostile_folder_is_shown_as_text(hostile: Path, open_page: Open) -> None:
    opened = open_page(hostile)
    page = opened.page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    for table in page.locator("table").all()[:3]:
        table.locator("thead button").first.click()
    page.wait_for_timeout(200)
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith("data:")] == [hostile.as_uri()]
    assert page.locator("script").count() == 1
    assert page.locator("style").count() == 1
    assert page.locator("img, iframe, object, embed, form, base").count() == 0
    assert (
        page.evaluate(
            "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())"
            ".filter(n => n.startsWith('on') || n === 'style' || n === 'autofocus')"
        )
        == []
    )
    shown = page.locator("body").inner_text()
    for text in (EVIL[0], EVIL[1], EVIL[2], "{{ 7 * 7 }}"):
        assert text in shown


def test_the_policy_stops_what_an_escape_would_let_through(
    report: Path, open_page: Open, tmp_path: Path
) -> None:
    """Scripts, handlers and styles put in by hand do nothing; without the policy they would."""
    attack = (
        "<script>window.hit = 1</script><img src='data:,x' onerror='window.hit = 2'>"
        "<p id='evil' style='color: rgb(1, 2, 3)'>x</p><style>body { display: none }</style>"
    )
    text = report.read_text(encoding="utf-8")
    file = tmp_path / "broken.html"
    file.write_text(text.replace("</main>", f"{attack}</main>"), encoding="utf-8")
    page = open_page(file).page
    page.wait_for_timeout(200)
    assert page.evaluate("window.hit") is None
    assert page.evaluate("getComputedStyle(document.querySelector('#evil')).color") != (
        "rgb(1, 2, 3)"
    )
    assert page.evaluate("getComputedStyle(document.body).display") != "none"
    unguarded = "".join(
        part for part in file.read_text(encoding="utf-8").splitlines(keepends=True)
        if "Content-Security-Policy" not in part
    )  # fmt: skip
    file.write_text(unguarded, encoding="utf-8")
    page = open_page(file).page
    page.wait_for_timeout(200)
    assert page.evaluate("window.hit") is not None
