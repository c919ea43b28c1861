"""Privacy: consent, names, retention and erasure of patients, with the files that speak of them."""
