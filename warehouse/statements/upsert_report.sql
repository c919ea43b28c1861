-- Record a report in place of an older one of the same kind, patient and date, unless nothing about it is new.
MERGE INTO reports
USING (
    SELECT
        $report_id AS report_id, $kind AS kind, CAST($patient_id AS VARCHAR) AS patient_id,
        CAST($report_date AS DATE) AS report_date, $path AS path, $sha256 AS sha256, $input_key AS input_key,
        CAST($run_id AS VARCHAR) AS run_id, now() AS rendered_at, $files AS files,
        CAST($shown AS VARCHAR) AS shown
) AS rendered
USING (report_id)
WHEN MATCHED AND (reports.path, reports.sha256, reports.input_key, reports.files, reports.shown)
        IS DISTINCT FROM (rendered.path, rendered.sha256, rendered.input_key, rendered.files, rendered.shown)
    THEN UPDATE SET path = rendered.path, sha256 = rendered.sha256, input_key = rendered.input_key,
        run_id = rendered.run_id, rendered_at = rendered.rendered_at, files = rendered.files,
        shown = rendered.shown
WHEN NOT MATCHED THEN INSERT BY NAME
