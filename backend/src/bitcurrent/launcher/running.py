"""The settings of a copy that `up` brings up, for commands that a person types beside it."""

import json
from pathlib import Path
from urllib.parse import urlsplit

from bitcurrent.launcher import brokerage, credentials
from bitcurrent.launcher.errors import LaunchError
from bitcurrent.launcher.layout import Copy


def settings_of_copy(data: Path) -> dict[str, str]:
    """Give the BITCURRENT_ variables of the copy whose data lies there. Raises LaunchError when there is none."""
    mend = "Bring one up with `make up`, name it with --data, or set the BITCURRENT_ variables of your own."
    try:
        demo = json.loads((data / "demo.json").read_text())
        port = urlsplit(demo["base_url"]).port
    except FileNotFoundError:
        raise LaunchError(f"There is no copy in {data}.", mend) from None
    except (ValueError, KeyError, OSError) as error:
        raise LaunchError(f"{data / 'demo.json'} cannot be read: {error}", mend) from error
    if port is None:
        raise LaunchError(f"{data / 'demo.json'} names no port.", mend)
    copy = Copy(port, data)
    secret, _ = credentials.ensure(copy.secrets, cluster_exists=True)
    return brokerage.settings_of(copy, secret, brokerage.servers_of(copy, secret))
