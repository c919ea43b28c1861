-- Begin an erasure.
INSERT INTO erasures (erasure_id, subject, begun_at, receipt)
VALUES ($erasure_id, $subject, now(), $receipt)
