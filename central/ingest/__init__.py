"""Records in: verify, commit, acknowledge; name what is missing; set aside what is not understood."""
