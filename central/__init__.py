"""The visitor-tracking service: it takes records in, keeps them and answers for them."""
