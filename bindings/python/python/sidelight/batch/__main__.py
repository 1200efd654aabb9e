"""python -m sidelight.batch IN OUT: see --help."""

import argparse
import sys
import time

from dask.system import CPU_COUNT
from distributed import Client, LocalCluster

from . import Settings, run

DESCRIPTION = """\
Filters every JPEG under IN as its payload asks and writes PNGs to OUT; with --originals gives every JPEG a
payload and writes JPEGs. Each picture is a task of a Dask cluster: of this machine's cores, or of --scheduler.
IN, OUT and the originals are folders or URLs that all workers reach. OUT gets results.csv and results.json as
well. Run it again to go on where it was stopped, or to try again what failed."""


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sidelight.batch", description=DESCRIPTION)
    parser.add_argument("input", metavar="IN")
    parser.add_argument("output", metavar="OUT")
    parser.add_argument("--originals", metavar="FOLDER", help="pictures of the same names, before coding")
    parser.add_argument("--mode", choices=("payload", "base", "off"), default="payload", help="when decoding")
    parser.add_argument("--model-size", choices=("small", "medium", "large"), help="of the base model")
    parser.add_argument("--effort", type=int, choices=range(1, 10), default=5, help="when encoding")
    parser.add_argument("--no-update", action="store_true", help="encode payloads for the base model alone")
    parser.add_argument("--retries", type=int, default=2, metavar="N", help="of storage that fails (default 2)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a cluster: tcp://host:8786")
    parser.add_argument("--workers", type=int, metavar="N", help="on this machine (default: one for each core)")
    options = parser.parse_args()
    if options.scheduler and options.workers is not None:
        parser.error("--workers goes with this machine, not with --scheduler")

    settings = Settings(options.mode, options.model_size or "default", options.effort, options.no_update)
    shown = time.monotonic()

    def progress(done: int, total: int, failed: int) -> None:
        nonlocal shown
        if done == total or time.monotonic() - shown >= 10:
            shown = time.monotonic()
            print(f"{done} of {total}, {failed} failed", file=sys.stderr, flush=True)

    def work(client: Client) -> int:
        try:
            rows = run(
                options.input,
                options.output,
                client=client,
                originals=options.originals,
                settings=settings,
                retries=options.retries,
                progress=progress,
            )
        except (OSError, ValueError) as error:
            print(f"sidelight.batch: {error}", file=sys.stderr)
            return 1
        return 2 if any(row["result"] == "failed" for row in rows) else 0

    if options.scheduler:
        with Client(options.scheduler) as client:
            return work(client)
    workers = CPU_COUNT if options.workers is None else options.workers
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            return work(client)


if __name__ == "__main__":
    sys.exit(_main())
