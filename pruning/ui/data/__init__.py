"""What pages show, as data: queries of the workspace, and the state of a session."""
