"""What a recording needs beside the host's threads: a worker, a file to append to, a tokenizer."""
