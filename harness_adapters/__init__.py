"""One file per harness or transcript format: its wire shape to and from our `Turn`."""
