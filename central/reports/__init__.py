"""Reports in numbers: entries by hour and building. No person is in any of them."""
