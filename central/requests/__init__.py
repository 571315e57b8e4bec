"""What people ask for about their own data, and by when they are answered (trust.md R-97)."""
