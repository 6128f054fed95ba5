"""Eight people on one model at once, each with a plan of their own: no cross-talk, no lost click."""

import asyncio
import re
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil

from pruning.benchmarks.browser import FLAGS, QUIET, Server, chromium, server
from pruning.benchmarks.interface.dashboard import AWAIT_SETTLED, DESK
from pruning.benchmarks.interface.pages import process_figures
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.torture.places import DESK as DESK_PLACE
from tests.torture.places import address
from tests.torture.table import Row, Run

SESSIONS, SECONDS, THINK_SECONDS = 8, 120.0, 3.0
MEDIAN_MS, GROWTH = 300.0, 0.10
# Reactions are judged where others leave the machine alone: no more of it may be in use beforehand. Eight
# people have eight machines: where their browsers fill this one, it is not the server that is slow.
BUSY_PERCENT, BUSY_SECONDS, FULL_PERCENT = 25.0, 4.0, 70.0
# Each session has a layer of its own pruned by this kind, and moves the faders of others.
MARK, MOVED = "down", ("gate", "up", "qkv", "attn_out")
# After so many releases a session opens its own address anew, as a link from a mail.
ANEW = 15
TIMEOUT = 60_000
RELEASED = """() => document.addEventListener('pointerup', (event) => {
  window.benchReleased = event.timeStamp;
}, { capture: true })"""


@dataclass
class Heard:
    """What one session saw: how long each release took in ms, and sentences about what went wrong."""

    number: int
    times: list[float] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    opened: int = 0

    @property
    def mark(self) -> str:
        """What no other session has in its plan."""
        return f"{MARK}@{self.number}=0.5"


def rows(run: Run) -> Iterator[Row]:
    """A row for cross-talk and lost clicks, one for the median reaction, one for the server's memory."""
    if chromium() is None:
        yield Row("browser sessions at once", 0, skipped="there is no Chromium on the PATH")
        return
    home = run.folder("home")
    store = Store(home)
    synthetic.put_all(store)
    synthetic.put_map(store, units=True)
    sessions, seconds = (2, 5.0) if run.short else (SESSIONS, SECONDS)
    busy = 0.0 if run.short else psutil.cpu_percent(BUSY_SECONDS)
    with server(home, run.scratch / "server.log") as found:
        psutil.cpu_percent()
        heard, memory = asyncio.run(_all_at_once(found, sessions, seconds))
        in_use = psutil.cpu_percent()
        used = sum(psutil.Process(found.pid).cpu_times()[:2])
        log = found.log.read_text(errors="replace")
    times = [ms for each in heard for ms in each.times]
    losses = [loss for each in heard for loss in each.losses]
    losses += [] if times else ["nothing was clicked"]
    losses += ["a traceback in the server's log"] if "Traceback" in log else []
    opened = sum(each.opened for each in heard)
    note = f"{opened} times a session was opened by its own address"
    what = f"{sessions} sessions for {seconds:.0f} s, moving faders"
    yield Row(what, len(times), losses, max(times, default=0) / 1000, note=note)
    if not run.short and times:
        yield _quick(times, used, busy, in_use)
        yield _flat(memory)


def _quick(times: list[float], used: float, busy: float, in_use: float) -> Row:
    """The median of the reactions, judged on a machine that is ours and that the browsers do not fill.

    `used`: seconds that the server computed. `busy`, `in_use`: percent of the machine before and meanwhile.
    """
    median = statistics.median(times)
    each = 1000 * used / len(times)
    note = (
        f"median {median:.0f} ms; the server computed {each:.0f} ms for each, opening included, and all "
        f"together took {in_use:.0f} % of the machine"
    )
    what, worst = "their median reaction is under 300 ms", max(times) / 1000
    if median >= MEDIAN_MS and busy > BUSY_PERCENT:
        why = f"others used {busy:.0f} % of the machine before it began"
        return Row(what, len(times), seconds=worst, skipped=why, note=note)
    if median >= MEDIAN_MS and in_use > FULL_PERCENT:
        why = f"median {median:.0f} ms, but the browsers fill the machine ({in_use:.0f} % in use)"
        return Row(what, len(times), seconds=worst, skipped=why, note=note)
    slow = [] if median < MEDIAN_MS else [f"the median is {median:.0f} ms"]
    return Row(what, len(times), slow, worst, note=note)


def _flat(memory: list[float]) -> Row:
    """The last quarter's median is within a tenth of the second's: in the first it is warming up."""
    quarter = max(1, len(memory) // 4)
    second, last = (statistics.median(part) for part in (memory[quarter : 2 * quarter], memory[-quarter:]))
    grown = last / second - 1
    lost = [f"it changed by {grown:+.0%}"] if abs(grown) > GROWTH else []
    note = f"{second:.0f} MB in the second quarter, {last:.0f} MB in the last ({grown:+.1%})"
    return Row("the server's memory is flat", len(memory), lost, megabytes=max(memory), note=note)


async def _all_at_once(found: Server, sessions: int, seconds: float) -> tuple[list[Heard], list[float]]:
    """All sessions in one browser, each in a context of its own, and the server's memory once a second."""
    from playwright.async_api import async_playwright

    heard = [Heard(number) for number in range(sessions)]
    memory: list[float] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        pages = [await _opened(browser, found.address, each) for each in heard]
        until = time.monotonic() + seconds
        using = [
            asyncio.create_task(_use(page, found.address, each, until))
            for page, each in zip(pages, heard, strict=True)
        ]
        while not all(task.done() for task in using):
            memory.append(process_figures(found.pid)["rss_mb"])
            await asyncio.sleep(1.0)
        await browser.close()
    return heard, memory


async def _opened(browser: Any, server_address: str, heard: Heard) -> Any:
    """A session that is ready, with its mark in the plan."""
    context = await browser.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(TIMEOUT)
    page = await context.new_page()
    await _open(page, server_address, heard, heard.mark)
    return page


async def _open(page: Any, server_address: str, heard: Heard, plan: str) -> None:
    """Open a plan by its address, and see that it is what the desk shows."""
    await page.goto(server_address + address(DESK_PLACE, model="demo", plan=plan))
    await page.wait_for_selector(QUIET)
    await page.wait_for_selector(DESK["settled"])
    await page.evaluate(RELEASED)
    heard.opened += 1
    shown = await page.get_attribute(DESK["root"], "data-settled")
    if sorted(_settings(shown)) != sorted(_settings(plan)):
        heard.losses.append(f"session {heard.number} opened {plan} and was shown {shown}")


async def _use(page: Any, server_address: str, heard: Heard, until: float) -> None:
    """Move faders at the pace of a person until the time is over."""
    step = 0
    # Sessions do not keep in step, as people do not.
    await asyncio.sleep(THINK_SECONDS * heard.number / SESSIONS)
    while time.monotonic() < until:
        begun = time.monotonic()
        try:
            plan = await _release(page, heard, step)
            step += 1
            if step % ANEW == 0:
                await _open(page, server_address, heard, plan)
        except Exception as error:
            said = str(error).partition("\n")[0][:150]
            heard.losses.append(f"session {heard.number}, step {step}: {type(error).__name__}: {said}")
            if len(heard.losses) > 3:
                return
        await asyncio.sleep(max(0.0, THINK_SECONDS - (time.monotonic() - begun)))


async def _release(page: Any, heard: Heard, step: int) -> str:
    """Drag a fader to a new place, and see that Python's answer and the address say what the hand did."""
    kind = MOVED[step % len(MOVED)]
    fader, root = page.locator(f'[data-fader="{kind}"]'), page.locator(DESK["root"])
    await fader.scroll_into_view_if_needed()
    box = await fader.bounding_box()
    across, place = box["x"] + box["width"] / 2, 0.25 + 0.5 * ((step * 5 + heard.number * 3) % 16) / 16
    await page.mouse.move(across, box["y"] + 0.9 * box["height"])
    await page.mouse.down()
    await page.mouse.move(across, box["y"] + place * box["height"], steps=3)
    await root.evaluate(AWAIT_SETTLED)
    await page.mouse.up()
    heard.times.append(float(await page.evaluate("window.benchSettled")))
    percent = int(await fader.get_attribute("aria-valuenow"))
    settled = await page.get_attribute(DESK["root"], "data-settled")
    wrong = _wrong(settled, kind, percent, heard)
    if wrong:
        heard.losses.append(f"session {heard.number}, step {step}: {wrong}")
    await page.wait_for_function(
        "plan => new URLSearchParams(location.search).get('plan') === plan", arg=settled
    )
    return str(settled)


def _wrong(settled: str, kind: str, percent: int, heard: Heard) -> str | None:
    """What a settled plan says that the session did not do, or does not say that it did."""
    settings = _settings(settled)
    if heard.mark not in settings or sum(setting.startswith(f"{MARK}@") for setting in settings) > 1:
        return f"cross-talk: {settled}"
    levels = [float(setting.partition("=")[2]) for setting in settings if setting.startswith(f"{kind}=")]
    # The hand shows whole percent; Python is told what lies between them as well.
    if len(levels) != 1 or abs(100 * levels[0] - percent) > 1:
        return f"{kind} was set to {percent} %, and it is {settled}"
    return None


def _settings(text: str | None) -> list[str]:
    """A plan's settings: a comma before a number goes on with a list of layers."""
    return re.split(r",(?=[a-z])", text or "")
