"""What people see: page frame, words in both languages, static files."""
