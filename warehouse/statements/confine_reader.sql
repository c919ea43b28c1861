-- Shut a reader in with what it has attached: no other files, no network, no extensions, and no way to undo it.
SET python_enable_replacements = false;
SET arrow_lossless_conversion = true;
-- An error then says where in the text it is.
SET errors_as_json = true;
SET enable_external_access = false;
SET lock_configuration = true;
