"""Child process of the tests: reads the warehouse repeatedly until told to stop.

python read_sessions.py ADDRESS FOLDER STOP_FILE

It prints `ready` after the first read. At the end it prints the number of reads, the number of sessions in the first
and the last of them, and the number of incomplete scorings in all of them.
"""

import sys
from pathlib import Path

from warehouse_places import lake_in

from warehouse.connection import open_reader

HALF_STORED = """
    SELECT count(*)
    FROM sessions
    FULL JOIN scorings USING (session_id)
    FULL JOIN (SELECT scoring_id, count(*) AS frames FROM frame_scores GROUP BY scoring_id) USING (scoring_id)
    WHERE frames IS DISTINCT FROM frames_sampled OR patient_id IS NULL
"""
address = lake_in(Path(sys.argv[2]), sys.argv[1])
stop = Path(sys.argv[3])
counts = []
half_stored = 0
stopping = False
while not stopping:
    stopping = stop.exists()  # checked first, so that the last read comes after the night
    with open_reader(address) as reader:
        ((number,),) = reader.execute("SELECT count(*) FROM sessions").fetchall()
        ((partial,),) = reader.execute(HALF_STORED).fetchall()
        ((summaries,),) = reader.execute("SELECT count(*) FROM session_summary").fetchall()
    counts.append(number)
    half_stored += partial + abs(summaries - number)
    if len(counts) == 1:
        print("ready", flush=True)
print(len(counts), counts[0], counts[-1], half_stored)
