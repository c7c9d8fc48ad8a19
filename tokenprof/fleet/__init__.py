"""The same job past one machine, on engines that exist (docs/past-one-machine.md)."""
