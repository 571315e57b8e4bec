"""The pages: a folder each, found by itself. How to add one: docs/console.md."""
