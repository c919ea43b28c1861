"""Child process of the crash tests: store sessions one after the other, saying which comes next.

python store_sessions.py WAREHOUSE COUNT
"""

import sys
from pathlib import Path

from warehouse_samples import sample_session, store_sample

from warehouse.connection import open_writer

with open_writer(Path(sys.argv[1])) as connection:
    for number in range(int(sys.argv[2])):
        print(number, flush=True)
        store_sample(connection, sample_session(f"s{number:02d}", patient_id=f"p{number % 3}"), count=400)
