"""Child process of the tests: stores sessions one after another, and prints which comes next.

python store_sessions.py ADDRESS COUNT [FOLDER]
"""

import sys
from pathlib import Path

from warehouse_samples import sample_session, store_sample

from warehouse.address import parse_address
from warehouse.connection import open_writer

folder = Path(sys.argv[3]) if len(sys.argv) > 3 else Path(sys.argv[1]).parent
address = parse_address(sys.argv[1], published=folder / "published" / "warehouse.duckdb", lake=folder / "lake")
with open_writer(address) as connection:
    for number in range(int(sys.argv[2])):
        print(number, flush=True)
        store_sample(connection, sample_session(f"s{number:02d}", patient_id=f"p{number % 3}"), count=400)
