"""The command line: one name, `bitcurrent`, for everything an operator does.

Each command imports what it needs when it runs, so that `--help` answers at once.
"""

import sys
from pathlib import Path

import click

from bitcurrent import __doc__ as about


@click.group(help=about, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Group every command."""
