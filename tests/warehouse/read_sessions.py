"""Child process of the tests: read the warehouse again and again until told to stop.

python read_sessions.py ADDRESS FOLDER STOP_FILE

Says `ready` after the first look. In the end: the looks it took, the sessions it saw in the first and in the last of
them, and how many scorings in all of them were there in part.
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
    stopping = stop.exists()  # looked at first, so that the last look comes after the night
    with open_reader(address) as reader:
        ((number,),) = reader.execute("SELECT count(*) FROM sessions").fetchall()
        ((partial,),) = reader.execute(HALF_STORED).fetchall()
        ((summaries,),) = reader.execute("SELECT count(*) FROM session_summary").fetchall()
    counts.append(number)
    half_stored += partial + abs(summaries - number)
    if len(counts) == 1:
        print("ready", flush=True)
print(len(counts), counts[0], counts[-1], half_stored)
