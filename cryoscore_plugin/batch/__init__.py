"""From files to files: what to do, doing it, and telling whoever started the job."""
