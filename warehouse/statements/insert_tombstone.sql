-- Leave a mark of somebody erased, or of a consent.
INSERT INTO tombstones (mark, kind, erased_at) VALUES ($mark, $kind, now())
