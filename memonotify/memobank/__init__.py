"""The bank's API: signed calls within its quota and by its clock, and what its answers mean."""
