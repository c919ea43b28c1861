"""Privacy: consent, the name map, retention, and the erasure of patients with the files about them."""
