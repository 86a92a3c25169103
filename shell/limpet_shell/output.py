"""Tables, colour and progress: the only module of the shell that prints."""
