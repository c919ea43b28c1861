"""The next release, with one more migration. As a script, it stops and waits for ever just before the commit.

python next_release.py ADDRESS FOLDER
"""

import signal
import sys
from pathlib import Path
from unittest import mock

from warehouse_places import lake_in

from warehouse import migrate
from warehouse.connection import open_writer
from warehouse.migrate import Migration, shipped_migrations

TEXT = """
-- Rooms; a comment with a ; in it.
CREATE TABLE rooms (
    room_id VARCHAR PRIMARY KEY,
    floor   INTEGER NOT NULL CHECK (floor >= 0),
    name    VARCHAR DEFAULT 'no name'
);
COMMENT ON TABLE rooms IS 'One row per room; of this ward.';
COMMENT ON COLUMN rooms.floor IS 'Floor, from 0.';
CREATE INDEX rooms_by_floor ON rooms (floor);
INSERT INTO rooms (room_id, floor) VALUES ('r1', 2);
ALTER TABLE patients ADD COLUMN room_id VARCHAR;
/* What the house knows. */
CREATE VIEW occupied AS SELECT room_id, patient_id FROM rooms JOIN patients USING (room_id);
COMMENT ON VIEW occupied IS 'Rooms with somebody in them.';
COMMENT ON COLUMN occupied.room_id IS 'The room, as in rooms.';
CREATE MACRO upstairs(floor) AS floor > 0;
COMMENT ON MACRO upstairs IS 'Whether a floor is not the ground floor.';
"""
NEXT = (*shipped_migrations(), Migration(len(shipped_migrations()) + 1, "rooms", TEXT))


def wait_before_the_record(*_: object) -> None:
    print("all but recorded", flush=True)
    signal.pause()


if __name__ == "__main__":
    with (
        mock.patch.object(migrate, "shipped_migrations", return_value=NEXT),
        mock.patch.object(migrate, "_store_comments", wait_before_the_record),
    ):
        open_writer(lake_in(Path(sys.argv[2]), sys.argv[1]))
