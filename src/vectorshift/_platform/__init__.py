"""Clock, forks, background tasks, URLs, files and syntax: what needs no credentials."""
