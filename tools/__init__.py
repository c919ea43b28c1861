"""Tools for developers, not part of the product: sample patients, preview of reports, extraction of their sentences."""
