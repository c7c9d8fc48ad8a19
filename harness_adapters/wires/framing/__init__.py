"""The bytes of streamed answers: from a framing to the events in it."""
