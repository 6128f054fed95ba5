"""What several screens draw: the page frame, charts, jobs and band rows."""
