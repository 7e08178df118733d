"""A supervisor in a process of its own, to be killed by a test: it prints its children's pids and waits."""

import asyncio
import json
import sys
from pathlib import Path

from bitcurrent.launcher import addresses, brokerage, lock, wheels
from bitcurrent.launcher.account import account_for
from bitcurrent.launcher.postgres import Cluster, Passwords
from bitcurrent.launcher.supervisor import Supervisor
from tests.launcher.stand_ins import STUBBORN, WITH_GRANDCHILD, stand_in


async def main(folder: Path, leftovers: int) -> None:
    supervisor = Supervisor(log_folder=folder, say=print, leftovers_lock=leftovers)
    supervisor.open()
    account = account_for([folder, wheels.postgres_home()])
    cluster = Cluster(folder / "postgres", addresses.free_port(), Passwords.fresh(), account, durable=False)
    cluster.create()
    await supervisor.start(brokerage.postgres_child(cluster))
    await supervisor.start(stand_in("stubborn", STUBBORN, folder))
    await supervisor.start(stand_in("parent", WITH_GRANDCHILD, folder))
    grandchild = int((folder / "parent.sign").read_text())
    print(json.dumps([*supervisor.pids().values(), grandchild]), flush=True)
    await asyncio.sleep(600)


if __name__ == "__main__":
    home = Path(sys.argv[1])
    with lock.held(home, "http://nowhere") as descriptor:
        asyncio.run(main(home, descriptor))
