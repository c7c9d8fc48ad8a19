"""What a model call costs to compute: model shapes on chips, and time, batches and dollars per GPU-hour.

Light on import: numpy is loaded by the modules that do arithmetic over many draws, so import those
(`tokenprof.hw_model.cost`, `.deployment`, `.catalogue` …) by name. The equations follow one numbering,
2.1 (KV size) to 2.9 (dollars), set out in `docs/hardware.md`.
"""
