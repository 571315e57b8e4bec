"""Reports 报表: a month in numbers, as a page, on paper, and as a workbook."""
