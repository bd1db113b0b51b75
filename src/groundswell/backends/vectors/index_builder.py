"""The process that builds a new generation of a shard: `python -m …index_builder FROM TO SHAPE` (SHAPE is JSON).

Building an index takes seconds for each 10,000 points and keeps Python's lock all the while, so it has a process of
its own, at low priority. It says `copied` when the original may be written again, and ends with 0 when the new shard is
indexed and on disk. The points are brought over one by one, so that nothing deleted is left, in segments or in the log.
"""

import json
import os
import sys
from pathlib import Path

from groundswell.backends.vectors import folders
from groundswell.backends.vectors.shard import Shard, config


def main() -> int:
    """Copy, tell, bring over, index."""
    source, target, shape = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    copied = folders.building(target)
    folders.copy(source, copied)
    sys.stdout.write("copied\n")
    sys.stdout.flush()
    os.nice(10)
    target.mkdir()
    old, new = (
        Shard.load(copied),
        Shard.create(target, config(shape["dimensions"], shape["sparse"], shape["index_after"])),
    )
    new.index(shape["fields"])
    old.pour(new)
    old.close()
    folders.discard(copied)
    new.optimize()
    new.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
