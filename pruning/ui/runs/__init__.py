"""The Runs page: what was done in this workspace, with notes and deletion."""
