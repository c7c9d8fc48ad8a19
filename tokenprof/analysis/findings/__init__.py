"""What stands out in a run.

A new finding is a function here, a row in `FINDINGS`, its figures in `finding_figures` and its sentences in
`report.finding_wording`.
"""
