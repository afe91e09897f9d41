"""The bank's resources, made up: the stand-in answers with them, and `check` tries rules with them."""
