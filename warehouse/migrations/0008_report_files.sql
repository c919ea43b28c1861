-- A report may be several files: other formats, and PDFs under the passwords of recipients.
ALTER TABLE reports ADD COLUMN files VARCHAR;
COMMENT ON COLUMN reports.path IS 'Where the first file of the report is, relative to the data folder: the PDF that anybody can open, if one is written.';
COMMENT ON COLUMN reports.sha256 IS 'SHA-256 of that file, 64 hex digits.';
COMMENT ON COLUMN reports.files IS 'JSON object with every file of the report: the path relative to the data folder, and the SHA-256 of its bytes in 64 hex digits. NULL for a report rendered before there were several files.';
