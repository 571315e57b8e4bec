"""The steps that make the database, in order."""
