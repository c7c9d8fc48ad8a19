"""What a replica takes: its plan, times, memory, batch, rates and hour; one equation, one function."""
