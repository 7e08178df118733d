"""What a person sees while a copy comes up: a line for each step, then a box with addresses and logins.

On a terminal a spinner names what is under way; elsewhere (a log, a pipe) there are plain lines only.
"""

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.panel import Panel
from rich.status import Status
from rich.table import Table

NAME_WIDTH = 11


@dataclass(slots=True)
class Step:
    """A step under way; `detail` is what its line will say."""

    detail: str = ""


class Screen:
    """The one place that prints while the copy comes up and runs."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._mark = "ok" if self._console.options.ascii_only else "✓"
        self._cross = "!!" if self._console.options.ascii_only else "✗"
        self._under_way: list[str] = []
        self._status: Status | None = None

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a step and print its line when it succeeds; steps may overlap."""
        step, began = Step(), time.monotonic()
        self._under_way.append(name)
        self._show_status()
        try:
            yield step
        finally:
            self._under_way.remove(name)
            self._show_status()
        seconds = f"{time.monotonic() - began:5.1f} s"
        if self._console.is_terminal:
            line = Table.grid(padding=(0, 1), expand=True)
            line.add_column(style="green", width=2)
            line.add_column(width=NAME_WIDTH)
            line.add_column(ratio=1)
            line.add_column(justify="right", style="dim")
            line.add_row(self._mark, name, step.detail, seconds)
            self._console.print(line)
        else:
            self.plain(f"{self._mark} {name:<{NAME_WIDTH}} {seconds}  {step.detail}".rstrip())

    def plain(self, line: str) -> None:
        """Print a line exactly as it is."""
        self._console.print(line, markup=False, soft_wrap=True)

    def news(self, line: str) -> None:
        """Print something that happened, with the time of day."""
        self.plain(f"{time.strftime('%H:%M:%S')} {line}")

    def trouble(self, what: str, mend: str = "") -> None:
        """Print what went wrong and what to do about it."""
        self._under_way.clear()
        self._show_status()
        self._console.print(f"{self._cross} {what}", style="red", markup=False, soft_wrap=True)
        if mend:
            self.plain(f"   {mend}")

    def box(self, title: str, rows: list[tuple[str, str]], foot: str) -> None:
        """Print the box; rows with an empty name are gaps."""
        table = Table.grid(padding=(0, 2))
        for name, value in rows:
            table.add_row(name, value)
        if self._console.is_terminal:
            self._console.print(Panel(table, title=title, subtitle=foot, expand=False, padding=(1, 2)))
            return
        self.plain(f"\n{title}")
        for name, value in rows:
            self.plain(f"  {name:<14}{value}".rstrip())
        self.plain(foot)
        sys.stdout.flush()

    def _show_status(self) -> None:
        """Let the spinner name what is under way; none on anything but a terminal."""
        if not self._console.is_terminal:
            return
        if not self._under_way:
            if self._status is not None:
                self._status.stop()
            self._status = None
            return
        text = f"starting: {', '.join(self._under_way)}"
        if self._status is None:
            self._status = self._console.status(text)
            self._status.start()
        else:
            self._status.update(text)
