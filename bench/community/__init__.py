"""The community that the demo opens on: invented from a seed, with sixty days behind it that end today."""
