"""Links: the state of the client as JSON, addresses that hold it, whether others can open them, and the way back."""
