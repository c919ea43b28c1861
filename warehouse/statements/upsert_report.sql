-- Record a report in place of an older one of the same kind, patient and date, unless nothing about it is new.
INSERT INTO reports (report_id, kind, patient_id, report_date, path, sha256, input_key, run_id, rendered_at)
VALUES ($report_id, $kind, $patient_id, $report_date, $path, $sha256, $input_key, $run_id, now())
ON CONFLICT (report_id) DO UPDATE
SET path = excluded.path, sha256 = excluded.sha256, input_key = excluded.input_key, run_id = excluded.run_id,
    rendered_at = excluded.rendered_at
WHERE (path, sha256, input_key) IS DISTINCT FROM (excluded.path, excluded.sha256, excluded.input_key)
RETURNING report_id
