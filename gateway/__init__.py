"""The daemon of one building: it decides at the door, records, releases and reports."""
