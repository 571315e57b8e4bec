"""Alarms: what is watched for in records and states, who is told, and who has seen to it."""
