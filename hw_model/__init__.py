"""What a model call costs to compute: model shapes on chips, time, batches and dollars per GPU-hour.

Importing this package loads nothing. Its modules (`tokenprof.hw_model.cost`, `.deployment`, …) are imported
by name, and most of them load numpy. The equations are numbered 2.1 (KV size) to 2.9 (owner's hour) in
`docs/hardware.md`.
"""
