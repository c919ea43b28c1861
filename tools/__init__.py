"""Tools for developers: sample patients, preview of the reports, extraction of their words. No part of the product."""
