-- Append entries to the audit log, registered as entry_batch.
INSERT INTO audit_log BY NAME
FROM entry_batch
