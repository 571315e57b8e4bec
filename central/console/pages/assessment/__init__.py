"""Going live: a community's impact assessment, written by its office, agreed to by a supervisor."""
