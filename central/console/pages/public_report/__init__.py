"""The public report 公开报告, for whoever asks."""
